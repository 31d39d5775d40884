/** Whether Kafka does not allow this user an operation, by the text of kafkajs's error. */
export const isRefused = (message: string): boolean => /[Nn]ot authorized|authorization failed/.test(message);
