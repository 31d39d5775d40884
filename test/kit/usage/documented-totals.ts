/** What `docs/producers.md` promises of each program: meter -> base units of project acme. */
export const documentedTotals = {
  'session.webrtc': '120',
  'transfer.downstream': '80000000',
  'agent.session': '300',
  'inference.llm.input/openai/gpt-4.1-mini': '200',
  'inference.llm.cached_input/openai/gpt-4.1-mini': '1000',
  'inference.llm.output/openai/gpt-4.1-mini': '80',
};
