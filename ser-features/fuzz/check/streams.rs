//! Streams, whatever the pieces.

use ndarray::{Array2, Axis};
use num_complex::Complex;
use ser_features::{
    BandwidthConfig, CentroidConfig, Chroma, FeatureConfig, FlatnessConfig, FrameByFrame, MelSpectrogram,
    Mfcc, RolloffConfig, RowByFrame, SignalError, SpectralBandwidth, SpectralCentroid, SpectralContrast,
    SpectralFlatness, SpectralRolloff, Stft, Streaming, StreamingExtractor, StreamingRow,
};

use super::draw::Draw;
use super::made;
use super::spectra::{chroma_config, contrast_config, mel_config, mfcc_config};

/// A value whose bits are compared, so that NaN equals NaN.
trait Bits: Copy + Default {
    fn bits(self) -> [u32; 2];
}

impl Bits for f32 {
    fn bits(self) -> [u32; 2] {
        [if self.is_nan() { u32::MAX } else { self.to_bits() }, 0]
    }
}

impl Bits for Complex<f32> {
    fn bits(self) -> [u32; 2] {
        [self.re.bits()[0], self.im.bits()[0]]
    }
}

/// Streams one feature of a signal and compares it with that of the whole signal.
pub fn stream(draw: &mut Draw<'_>) -> Option<()> {
    match draw.case(9) {
        0 => {
            let config = draw.stft();
            compare::<Stft>(draw, config.clone(), |x| Some(made(Stft::new(config))?.process(x)))
        }
        1 => {
            let config = mel_config(draw);
            compare::<MelSpectrogram>(draw, config.clone(), |x| {
                Some(made(MelSpectrogram::new(config))?.process(x))
            })
        }
        2 => {
            let config = mfcc_config(draw);
            compare::<Mfcc>(draw, config.clone(), |x| Some(made(Mfcc::new(config))?.process(x)))
        }
        3 => {
            let config = chroma_config(draw);
            compare::<Chroma>(draw, config.clone(), |x| Some(made(Chroma::new(config))?.process(x)))
        }
        4 => {
            let config = contrast_config(draw);
            compare::<SpectralContrast>(draw, config.clone(), |x| {
                Some(made(SpectralContrast::new(config))?.process(x))
            })
        }
        5 => {
            let config = CentroidConfig { stft: draw.stft(), sample_rate: draw.sample_rate() };
            compare::<SpectralCentroid>(draw, config.clone(), |x| {
                Some(made(SpectralCentroid::new(config))?.process(x).map(|row| row.insert_axis(Axis(0))))
            })
        }
        6 => {
            let config = BandwidthConfig { stft: draw.stft(), ..Default::default() };
            compare::<SpectralBandwidth>(draw, config.clone(), |x| {
                Some(made(SpectralBandwidth::new(config))?.process(x).map(|row| row.insert_axis(Axis(0))))
            })
        }
        7 => {
            let config = RolloffConfig { stft: draw.stft(), ..Default::default() };
            compare::<SpectralRolloff>(draw, config.clone(), |x| {
                Some(made(SpectralRolloff::new(config))?.process(x).map(|row| row.insert_axis(Axis(0))))
            })
        }
        _ => {
            let config = FlatnessConfig { stft: draw.stft(), ..Default::default() };
            compare::<SpectralFlatness>(draw, config.clone(), |x| {
                Some(made(SpectralFlatness::new(config))?.process(x).map(|row| row.insert_axis(Axis(0))))
            })
        }
    }
}

/// Streams one value a frame in two pieces, and compares it with that of the whole signal.
pub fn row<P: RowByFrame<Value: PartialEq>>(
    config: P::Config,
    samples: &[f32],
    whole: impl Iterator<Item = P::Value>,
) {
    let mut stream = StreamingRow::<P>::new(config).expect("the same configuration has a plan");
    let (head, rest) = samples.split_at(samples.len() / 3);
    let mut streamed = stream.push(head).expect("the whole is a signal").to_vec();
    streamed.extend_from_slice(stream.push(rest).expect("the whole is a signal"));
    streamed.extend_from_slice(stream.finish().expect("the whole is a signal"));
    assert!(whole.eq(streamed));
}

/// Streams frames in two pieces, where they can stream, and compares them with those of the whole signal.
pub fn frames<P: FrameByFrame<Value = f32>>(config: P::Config, samples: &[f32], whole: &Array2<f32>) {
    let Some(mut stream) = made(Streaming::<P>::new(config)) else { return };
    let (head, rest) = samples.split_at(samples.len() / 3);
    let mut streamed: Vec<f32> = Vec::new();
    for piece in [head, rest] {
        streamed.extend(stream.push(piece).expect("the whole is a signal").columns().into_iter().flatten());
    }
    streamed.extend(stream.finish().expect("the whole is a signal").columns().into_iter().flatten());
    let streamed = streamed.into_iter().map(Bits::bits);
    assert!(streamed.eq(whole.columns().into_iter().flatten().copied().map(Bits::bits)));
}

/// Streams several features in two pieces, where they can stream, and compares them with those of the whole signal.
pub fn extractor(config: FeatureConfig, samples: &[f32], whole: &Array2<f32>) {
    let Some(mut stream) = made(StreamingExtractor::new(config)) else { return };
    let (head, rest) = samples.split_at(samples.len() / 3);
    let mut streamed = Vec::new();
    for piece in [head, rest] {
        let frames = stream.push(piece).expect("the whole is a signal");
        streamed.extend(frames.stack().columns().into_iter().flatten().map(|x| x.bits()));
    }
    let frames = stream.finish().expect("the whole is a signal");
    streamed.extend(frames.stack().columns().into_iter().flatten().map(|x| x.bits()));
    assert!(streamed.into_iter().eq(whole.columns().into_iter().flatten().map(|x| x.bits())));
}

fn compare<P: FrameByFrame>(
    draw: &mut Draw<'_>,
    config: P::Config,
    whole: impl FnOnce(&[f32]) -> Option<Result<Array2<P::Value>, SignalError>>,
) -> Option<()>
where
    P::Value: Bits,
{
    let mut stream = made(Streaming::<P>::new(config))?;
    let latency = stream.latency();
    let pieces: Vec<usize> = (0..1 + draw.case(4)).map(|_| draw.within(0..=1_000)).collect();
    let samples = draw.samples(3_000);
    let mut frames: Vec<P::Value> = Vec::new();
    let mut rows = 1;
    let mut rest = samples.as_slice();
    // A piece of none at all would never end.
    for piece in pieces.into_iter().chain([701]).cycle() {
        let (piece, after) = rest.split_at(piece.min(rest.len()));
        match stream.push(piece) {
            Ok(new) => frames.extend(new.columns().into_iter().flatten()),
            Err(error) => {
                match error {
                    SignalError::NotFinite { index, .. } => assert!(!piece[index].is_finite()),
                    SignalError::TooLoud { index, value } => {
                        assert!(piece[index] == value && value.abs() > super::LOUDEST);
                    }
                    error => panic!("{error}"),
                }
                return None;
            }
        }
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    let last = stream.finish().map(|new| {
        rows = new.nrows();
        frames.extend(new.columns().into_iter().flatten());
    });
    let whole = whole(&samples).expect("what streams has a plan");
    match (last, whole) {
        (Ok(()), Ok(whole)) => {
            assert_eq!((whole.nrows(), whole.len()), (rows, frames.len()), "latency {latency}");
            let whole = whole.columns().into_iter().flatten().copied().map(Bits::bits);
            assert!(whole.eq(frames.into_iter().map(Bits::bits)));
        }
        (last, whole) => assert_eq!(last.err(), whole.err()),
    }
    Some(())
}
