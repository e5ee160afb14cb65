// One short sound. Browsers allow it only after a gesture.

let context = null;

/** Prepares the sound after a gesture. Returns true if the browser allows it. */
export async function prepare() {
  const Context = globalThis.AudioContext;
  if (!Context) return false;
  try {
    context ||= new Context();
    await context.resume();
  } catch {
    return false;
  }
  return context.state === "running";
}

/** Plays two notes, the second one lower, for less than a second. */
export function play() {
  if (!context || context.state !== "running") return;
  [[660, 0], [494, 0.22]].forEach(([frequency, after]) => {
    const [tone, volume] = [context.createOscillator(), context.createGain()];
    const from = context.currentTime + after;
    tone.frequency.value = frequency;
    volume.gain.setValueAtTime(0, from);
    volume.gain.linearRampToValueAtTime(0.25, from + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.001, from + 0.45);
    tone.connect(volume).connect(context.destination);
    tone.start(from);
    tone.stop(from + 0.5);
  });
}
