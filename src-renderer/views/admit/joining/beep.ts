// A sound for each scan, so that nobody has to look up: high once for a label that was taken, low twice for one that was not.
let context: AudioContext | undefined

export function beep(good: boolean): void {
  try {
    context ??= new AudioContext()
    for (const [startS, hertz] of good
      ? [[0, 1320]]
      : [
          [0, 330],
          [0.16, 330],
        ])
      tone(context, context.currentTime + (startS ?? 0), hertz ?? 440)
  } catch {
    // Without a loudspeaker the line on the screen has to do.
  }
}

function tone(audio: AudioContext, at: number, hertz: number): void {
  const source = audio.createOscillator()
  const volume = audio.createGain()
  source.frequency.value = hertz
  volume.gain.setValueAtTime(0.08, at)
  volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.12)
  source.connect(volume).connect(audio.destination)
  source.start(at)
  source.stop(at + 0.13)
}
