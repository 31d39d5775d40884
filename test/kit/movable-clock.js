// Loaded before a program (`node --require`): each SIGUSR2 moves its wall clock by CLOCK_STEP_MS,
// and no other clock.
const WallClock = Date;
let movedMs = 0;

globalThis.Date = class Date extends WallClock {
  constructor(...parts) {
    if (parts.length === 0) super(WallClock.now() + movedMs);
    else super(...parts);
  }

  static now() {
    return WallClock.now() + movedMs;
  }
};

process.on('SIGUSR2', () => {
  movedMs += Number(process.env.CLOCK_STEP_MS);
});
