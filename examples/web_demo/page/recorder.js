// Runs in the audio thread and sends each block of samples, mixed to mono, to the page.
class Recorder extends AudioWorkletProcessor {
  process([input]) {
    if (input.length > 0 && input[0].length > 0) {
      const mono = new Float32Array(input[0].length);
      for (const channel of input) {
        for (let i = 0; i < mono.length; i += 1) mono[i] += channel[i] / input.length;
      }
      this.port.postMessage(mono, [mono.buffer]);
    }
    return true;
  }
}
registerProcessor("recorder", Recorder);
