import { needRedis } from './running-services';

export default needRedis;
