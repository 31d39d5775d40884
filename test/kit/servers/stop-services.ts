import { stopAll } from './running-services';

export default stopAll;
