import { needKafka, needRedis, stopAll } from './running-services';

export default async function start(): Promise<void> {
  try {
    await Promise.all([needKafka(), needRedis()]);
  } catch (error) {
    // Jest runs no teardown after a failed set-up.
    await stopAll();
    throw error;
  }
}
