// What the frames have said so far.
export const state = { head: {}, guard: null, order: [], services: new Map(), changes: [] };

// now is the director's time, in seconds.
export const now = () => Date.parse(state.head.time) / 1000;
