//! Generated sounds without speech, drawn from a seed, which a speech detector must reject.

use ser_models::Generator;
use std::f32::consts::TAU;

/// The rate in Hz of the sounds.
pub const RATE: u32 = 16_000;

/// A kind of sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sound {
    /// A steady tone with overtones, or a chord of them.
    Tone,
    /// A tone whose pitch goes up and down, as sirens do, or trembles.
    Siren,
    /// A melody of notes with overtones, alone or over chords.
    Melody,
    /// A melody over chords with bass and drums.
    Band,
    /// Drums alone.
    Drums,
    /// White, pink or brown noise, steady or in gusts, of any band.
    Noise,
    /// Clicks, knocks and rattles, in rhythm or not.
    Clicks,
    /// Mains hum, motors and fans: low pulses under noise.
    Motor,
}

impl Sound {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Tone,
        Self::Siren,
        Self::Melody,
        Self::Band,
        Self::Drums,
        Self::Noise,
        Self::Clicks,
        Self::Motor,
    ];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tone => "tones, chords",
            Self::Siren => "sirens",
            Self::Melody => "melodies",
            Self::Band => "band",
            Self::Drums => "drums",
            Self::Noise => "noise",
            Self::Clicks => "clicks",
            Self::Motor => "motors",
        }
    }

    /// Makes a sound of `seconds` seconds, mono at [`RATE`], with a peak between 0.05 and 0.9.
    pub fn make(self, seconds: f64, random: &mut Generator) -> Vec<f32> {
        let n = (seconds * f64::from(RATE)) as usize;
        let mut out = vec![0.0; n];
        match self {
            Self::Tone => tone(&mut out, random),
            Self::Siren => siren(&mut out, random),
            Self::Melody => melody(&mut out, random),
            Self::Band => {
                melody(&mut out, random);
                chords(&mut out, random);
                drums(&mut out, random);
            }
            Self::Drums => drums(&mut out, random),
            Self::Noise => noise(&mut out, random),
            Self::Clicks => clicks(&mut out, random),
            Self::Motor => motor(&mut out, random),
        }
        // A room and a little noise around everything that is not noise already.
        if random.uniform(0.0, 1.0) < 0.5 {
            echo(&mut out, random);
        }
        let floor = 10f32.powf(between(random, -90.0, -40.0) / 20.0);
        out.iter_mut().for_each(|x| *x += floor * normal(random));
        let peak = out.iter().fold(1e-9f32, |peak, x| peak.max(x.abs()));
        let gain = between(random, 0.05, 0.9) / peak;
        out.iter_mut().for_each(|x| *x *= gain);
        out
    }
}

fn between(random: &mut Generator, low: f32, high: f32) -> f32 {
    random.uniform(f64::from(low), f64::from(high)) as f32
}

fn below(random: &mut Generator, n: usize) -> usize {
    (random.uniform(0.0, n as f64) as usize).min(n - 1)
}

/// An approximately normal number: the sum of twelve uniform ones.
fn normal(random: &mut Generator) -> f32 {
    (0..12).map(|_| random.uniform(-0.5, 0.5)).sum::<f64>() as f32
}

/// Strengths of overtones: falling, hollow (odd ones only) or as of an organ.
fn timbre(random: &mut Generator) -> Vec<f32> {
    let (fall, hollow) = (between(random, 0.6, 2.5), random.uniform(0.0, 1.0) < 0.25);
    let count = 1 + below(random, 14);
    (1..=count).map(|k| if hollow && k % 2 == 0 { 0.0 } else { (k as f32).powf(-fall) }).collect()
}

/// Adds a note; `hertz` gives its pitch at each sample, counted from its start.
fn note(out: &mut [f32], timbre: &[f32], level: f32, attack: f32, decay: f32, hertz: impl Fn(usize) -> f32) {
    let (n, mut phase) = (out.len(), 0.0f32);
    for (t, x) in out.iter_mut().enumerate() {
        let pitch = hertz(t);
        phase = (phase + pitch / RATE as f32).fract();
        let seconds = t as f32 / RATE as f32;
        let end = ((n - t) as f32 / (0.02 * RATE as f32)).min(1.0);
        let envelope = (seconds / attack.max(1e-3)).min(1.0) * (-seconds * decay).exp() * end;
        let partials = timbre.iter().zip(1u16..).filter(|(_, k)| f32::from(*k) * pitch < RATE as f32 / 2.0);
        *x += level * envelope * partials.map(|(a, k)| a * (TAU * f32::from(k) * phase).sin()).sum::<f32>();
    }
}

fn tone(out: &mut [f32], random: &mut Generator) {
    let root = 60.0 * 2f32.powf(between(random, 0.0, 5.5));
    for _ in 0..1 + below(random, 3) {
        let (timbre, interval) = (timbre(random), below(random, 13) as f32);
        let pitch = root * 2f32.powf(interval / 12.0);
        note(out, &timbre, 1.0, 0.05, 0.0, |_| pitch);
    }
    if random.uniform(0.0, 1.0) < 0.4 {
        // Beeps.
        let (period, share) = (between(random, 0.1, 1.5), between(random, 0.2, 0.7));
        for (t, x) in out.iter_mut().enumerate() {
            *x *= f32::from(u8::from((t as f32 / RATE as f32 / period).fract() < share));
        }
    }
}

fn siren(out: &mut [f32], random: &mut Generator) {
    let (timbre, root) = (timbre(random), 150.0 * 2f32.powf(between(random, 0.0, 3.0)));
    let (rate, depth) = match random.uniform(0.0, 1.0) < 0.5 {
        true => (between(random, 0.1, 1.0), between(random, 0.3, 1.0)),
        false => (between(random, 4.0, 8.0), between(random, 0.02, 0.1)),
    };
    note(out, &timbre, 1.0, 0.05, 0.0, |t| {
        root * 2f32.powf(depth * (TAU * rate * t as f32 / RATE as f32).sin())
    });
}

const MAJOR: [f32; 7] = [0.0, 2.0, 4.0, 5.0, 7.0, 9.0, 11.0];

fn melody(out: &mut [f32], random: &mut Generator) {
    let (timbre, root) = (timbre(random), 110.0 * 2f32.powf(between(random, 0.0, 2.5)));
    let (attack, decay) = (between(random, 0.003, 0.08), between(random, 0.0, 6.0));
    let beat = between(random, 0.12, 0.6);
    let (mut at, mut step) = (0.0f32, 0i32);
    let seconds = out.len() as f32 / RATE as f32;
    while at < seconds {
        let length = beat * [0.5, 1.0, 1.0, 2.0][below(random, 4)];
        step = (step + below(random, 5) as i32 - 2).clamp(-7, 9);
        let semitones = MAJOR[step.rem_euclid(7) as usize] + 12.0 * step.div_euclid(7) as f32;
        let vibrato = if random.uniform(0.0, 1.0) < 0.3 { 0.01 } else { 0.0 };
        let pitch = root * 2f32.powf(semitones / 12.0);
        let first = (at * RATE as f32) as usize;
        let last = (((at + length) * RATE as f32) as usize).min(out.len());
        if random.uniform(0.0, 1.0) > 0.1 && first < last {
            note(&mut out[first..last], &timbre, 1.0, attack, decay, |t| {
                pitch * (1.0 + vibrato * (TAU * 5.5 * t as f32 / RATE as f32).sin())
            });
        }
        at += length;
    }
}

fn chords(out: &mut [f32], random: &mut Generator) {
    let (timbre, root) = (timbre(random), 65.0 * 2f32.powf(between(random, 0.0, 1.5)));
    let bar = (between(random, 0.4, 2.0) * RATE as f32) as usize;
    let level = between(random, 0.2, 0.8);
    for chunk in out.chunks_mut(bar.max(1)) {
        let degree = below(random, 6);
        for third in [0, 2, 4] {
            let step = degree + third;
            let semitones = MAJOR[step % 7] + 12.0 * (step / 7) as f32;
            let pitch = root * 2f32.powf(semitones / 12.0);
            note(chunk, &timbre, level / 2.0, 0.02, 1.0, |_| pitch);
        }
    }
}

fn drums(out: &mut [f32], random: &mut Generator) {
    let beat = between(random, 0.11, 0.35);
    let pattern: Vec<usize> = (0..8).map(|_| below(random, 4)).collect();
    let mut at = 0.0f32;
    for hit in pattern.iter().cycle() {
        let first = (at * RATE as f32) as usize;
        if first >= out.len() {
            break;
        }
        let drum = &mut out[first..];
        match hit {
            0 => {
                // A bass drum: a tone that falls fast.
                let length = drum.len().min(3_200);
                note(&mut drum[..length], &[1.0], 1.2, 0.002, 18.0, |t| {
                    45.0 + 120.0 * (-(t as f32) / 400.0).exp()
                });
            }
            1 | 2 => {
                let fall = if *hit == 1 { 25.0 } else { 90.0 };
                let mut before = 0.0;
                for (t, x) in drum.iter_mut().take(4_000).enumerate() {
                    let noise = normal(random);
                    // A high hat has no low end.
                    *x += 0.4
                        * (-fall * t as f32 / RATE as f32).exp()
                        * if *hit == 1 { noise } else { noise - before };
                    before = noise;
                }
            }
            _ => {}
        }
        at += beat;
    }
}

fn noise(out: &mut [f32], random: &mut Generator) {
    let color = between(random, 0.0, 0.995);
    let (rate, depth) = (between(random, 0.05, 3.0), between(random, 0.0, 1.0) * between(random, 0.0, 1.0));
    let (mut low, mut gust) = (0.0f32, 0.0f32);
    for x in out.iter_mut() {
        low = color * low + (1.0 - color) * normal(random);
        let speed = rate / RATE as f32;
        gust += (TAU * speed).min(1.0) * (normal(random) * 3.0 - gust);
        *x = low * (1.0 - depth + depth * gust.abs() * 8.0);
    }
    if random.uniform(0.0, 1.0) < 0.4 {
        resonance(out, between(random, 200.0, 5_000.0), between(random, 0.7, 0.98));
    }
}

/// A band around `hertz`: two poles at this radius.
fn resonance(out: &mut [f32], hertz: f32, radius: f32) {
    let (a, b) = (2.0 * radius * (TAU * hertz / RATE as f32).cos(), -radius * radius);
    let (mut y1, mut y2) = (0.0, 0.0);
    for x in out.iter_mut() {
        let y = *x + a * y1 + b * y2;
        (y2, y1) = (y1, y);
        *x = y;
    }
}

fn clicks(out: &mut [f32], random: &mut Generator) {
    let (rate, rhythm) = (0.7 * 2f32.powf(between(random, 0.0, 6.0)), random.uniform(0.0, 1.0) < 0.4);
    let mut at = between(random, 0.0, 0.3);
    while ((at * RATE as f32) as usize) < out.len() {
        out[(at * RATE as f32) as usize] += between(random, 0.3, 1.0);
        at += if rhythm { 1.0 / rate } else { between(random, 0.05, 2.0) / rate };
    }
    for _ in 0..1 + below(random, 3) {
        resonance(out, between(random, 150.0, 4_000.0), between(random, 0.8, 0.995));
    }
}

fn motor(out: &mut [f32], random: &mut Generator) {
    let (timbre, root) = (timbre(random), between(random, 25.0, 160.0));
    let (rate, drift) = (between(random, 0.05, 0.6), between(random, 0.0, 0.25));
    note(out, &timbre, 1.0, 0.1, 0.0, |t| root * (1.0 + drift * (TAU * rate * t as f32 / RATE as f32).sin()));
    let level = between(random, 0.0, 1.0);
    let mut low = 0.0;
    for x in out.iter_mut() {
        low = 0.9 * low + normal(random);
        *x += level * 0.3 * low;
    }
}

/// A few echoes that fade.
fn echo(out: &mut [f32], random: &mut Generator) {
    let fade = between(random, 0.2, 0.6);
    for _ in 0..3 {
        let delay = (between(random, 0.01, 0.12) * RATE as f32) as usize;
        for t in delay..out.len() {
            out[t] += fade * 0.5 * out[t - delay];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sounds_are_finite_loud_enough_and_the_same_by_one_seed() {
        for sound in Sound::ALL {
            for seed in 0..5 {
                let made = sound.make(1.0, &mut Generator::new(seed));
                let peak = made.iter().fold(0.0f32, |peak, x| peak.max(x.abs()));
                assert_eq!(made.len(), RATE as usize);
                assert!(
                    made.iter().all(|x| x.is_finite()) && (0.04..0.91).contains(&peak),
                    "{sound:?} {peak}"
                );
                assert_eq!(made, sound.make(1.0, &mut Generator::new(seed)));
            }
        }
    }
}
