//! Packets become samples: decoders, trimming, and what a stream must hold.

use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_AAC, CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3, CODEC_ID_PCM_S16LE, CODEC_ID_VORBIS,
    profiles::CODEC_PROFILE_AAC_LC,
};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::packet::PacketRef;
use symphonia::core::units::{Duration, Timestamp};

use super::aac::Replication;
use super::convert::Converter;
use super::demux::{Codec, Demuxer, Granule, Item, Packet, Stream};
use super::mp3::Reservoir;
use super::opus::{self, OpusStream};
use super::{AudioErrorKind, AudioOptions, AudioWarning, codec, mpeg};

/// A file's samples, packet after packet.
pub(super) struct Decoding<'s> {
    demuxer: Box<dyn Demuxer + 's>,
    options: AudioOptions,
    active: Option<Active>,
    /// Channels and sample rate, of the first packet that gave samples.
    spec: Option<(usize, u32)>,
    /// Frames given so far.
    frames: u64,
    ended: bool,
    /// Where the first gap of the container's clock is, and how long all are, in seconds.
    gap: Option<(f64, f64)>,
    warnings: Vec<AudioWarning>,
}

/// The stream that is being decoded.
struct Active {
    decoder: Decoder,
    stream: Stream,
    /// Channels and sample rate that its packets decode to.
    spec: Option<(usize, u32)>,
    /// Frames that its packets decoded to.
    decoded: u64,
    /// Frames that were decoded beyond what the first OGG page counts.
    lead: Option<i64>,
    /// Seconds that an OGG page counts and that were not decoded.
    uncounted: Option<f64>,
    /// The container's time at the last packet that told it, in seconds, and the frames decoded before it.
    clock: Option<(f64, u64)>,
    /// Data that MP3 frames take from earlier frames (bit reservoir).
    reservoir: Option<Reservoir>,
    /// Counts the AAC packets with SBR data, which is not decoded.
    replication: Option<Replication>,
    /// Brings it to the file's channels and rate, where the first stream's differ.
    converter: Option<Converter>,
    samples: Vec<f32>,
}

enum Decoder {
    Symphonia(Box<dyn AudioDecoder>),
    Opus(Box<OpusStream>),
    /// Signed 16-bit samples, little-endian, as in most WAV files. Symphonia's decoder takes a twelfth of the time that all 193 features of
    /// such a file take.
    Pcm16,
}

impl<'s> Decoding<'s> {
    pub(super) fn new(demuxer: Box<dyn Demuxer + 's>, options: AudioOptions) -> Self {
        let (gap, warnings) = Default::default();
        Self { demuxer, options, active: None, spec: None, frames: 0, ended: false, gap, warnings }
    }

    /// Channels and sample rate, after the first samples.
    pub(super) fn spec(&self) -> Option<(usize, u32)> {
        self.spec
    }

    pub(super) fn warnings(&self) -> &[AudioWarning] {
        &self.warnings
    }

    /// Appends the next interleaved samples. `false` at the end.
    pub(super) fn next(&mut self, out: &mut Vec<f32>) -> Result<bool, AudioErrorKind> {
        let before = out.len();
        while !self.ended && out.len() == before {
            let step = self.step(out);
            self.warnings.extend(self.demuxer.warnings());
            match step {
                Ok(()) => {}
                // With `allow_truncated`, damage after the first samples ends the file with a warning.
                Err(error) if self.options.allow_truncated && error.is_damage() && self.frames > 0 => {
                    self.warnings.extend(self.active.as_ref().and_then(Active::half_spectrum));
                    // A container may have told of a cut already, by its own lengths. Damage before the cut is another loss.
                    let is_told = matches!(error, AudioErrorKind::Truncated { .. })
                        && self
                            .warnings
                            .iter()
                            .any(|warning| matches!(warning, AudioWarning::CutShort { .. }));
                    if !is_told {
                        self.warnings.push(AudioWarning::CutShort { reason: error.to_string() });
                    }
                    self.ended = true;
                }
                Err(error) => {
                    self.ended = true;
                    return Err(error);
                }
            }
            let channels = self.spec.map_or(1, |(channels, _)| channels);
            self.frames += ((out.len() - before) / channels) as u64;
            if let Some((seconds, missing)) = self.gap.filter(|_| self.ended) {
                self.warnings.push(AudioWarning::Gap { seconds, missing });
                self.gap = None;
            }
        }
        Ok(out.len() > before)
    }

    fn step(&mut self, out: &mut Vec<f32>) -> Result<(), AudioErrorKind> {
        match self.demuxer.next()? {
            Item::Stream(stream) => {
                self.finish(out)?;
                self.active = Some(Active::new(stream)?);
            }
            Item::Packet(packet) => {
                let active = self.active.as_mut().ok_or(AudioErrorKind::NoAudioTrack)?;
                let by_clock = packet.time.and_then(|time| active.gap(time));
                let decoded = active.decode(&packet, self.frames);
                if let Some(missing) = by_clock.or(active.uncounted.take()) {
                    let rate = self.spec.map_or(1, |(_, rate)| rate);
                    let (_, all) = self.gap.get_or_insert((self.frames as f64 / f64::from(rate), 0.0));
                    *all += missing;
                }
                decoded?;
                let Some((channels, rate)) = active.spec.filter(|_| !active.samples.is_empty()) else {
                    return Ok(());
                };
                let spec = *self.spec.get_or_insert((channels, rate));
                if spec == (channels, rate) {
                    if out.is_empty() {
                        std::mem::swap(out, &mut active.samples);
                    } else {
                        out.extend_from_slice(&active.samples);
                    }
                    return Ok(());
                }
                if active.converter.is_none() {
                    active.converter = Some(Converter::new((channels, rate), spec)?);
                    let seconds = self.frames as f64 / f64::from(spec.1);
                    self.warnings.push(AudioWarning::Changes { seconds, from: spec, to: (channels, rate) });
                }
                if let Some(converter) = &mut active.converter {
                    converter.push(&active.samples, out)?;
                }
            }
            Item::End => {
                self.ended = true;
                self.finish(out)?;
            }
        }
        Ok(())
    }

    /// Ends the current stream: an error, if it is shorter than its container declares.
    fn finish(&mut self, out: &mut Vec<f32>) -> Result<(), AudioErrorKind> {
        let Some(mut active) = self.active.take() else { return Ok(()) };
        if let Some(converter) = &mut active.converter {
            converter.finish(out)?;
        }
        let lost = active.reservoir.as_ref().map_or(0, Reservoir::lost);
        if lost > 0 {
            self.warnings.push(AudioWarning::NoReservoir { frames: lost });
        }
        self.warnings.extend(active.half_spectrum());
        let rate = active.spec.map_or(0, |(_, rate)| rate);
        let declared = active.stream.declared.map(|ticks| scaled(&active.stream, rate, ticks));
        match declared {
            Some(declared) if active.decoded < declared => {
                Err(AudioErrorKind::Truncated { unit: "frames", declared, found: active.decoded })
            }
            _ => Ok(()),
        }
    }
}

/// Ticks of the container as decoded frames. They differ where only the core of HE-AAC is decoded.
fn scaled(stream: &Stream, rate: u32, ticks: u64) -> u64 {
    match stream.timescale {
        Some(timescale) if timescale != rate && timescale > 0 => {
            (u128::from(ticks) * u128::from(rate)).div_ceil(timescale.into()) as u64
        }
        _ => ticks,
    }
}

impl Active {
    fn new(stream: Stream) -> Result<Self, AudioErrorKind> {
        let spec = match &stream.codec {
            Codec::Opus(head) => Some((usize::from(head.channels), opus::SAMPLE_RATE)),
            Codec::Symphonia(parameters) => pcm16(parameters),
        };
        let decoder = match &stream.codec {
            Codec::Opus(head) => Decoder::Opus(Box::new(OpusStream::new(head)?)),
            Codec::Symphonia(_) if spec.is_some() => Decoder::Pcm16,
            Codec::Symphonia(parameters) => Decoder::Symphonia(symphonia_decoder(parameters)?),
        };
        let is = |codec| matches!(&stream.codec, Codec::Symphonia(parameters) if parameters.codec == codec);
        let reservoir = is(CODEC_ID_MP3).then(Reservoir::default);
        let replication = is(CODEC_ID_AAC).then(Replication::default);
        let (lead, uncounted, clock, converter, samples) = Default::default();
        Ok(Self {
            decoder,
            stream,
            spec,
            decoded: 0,
            lead,
            uncounted,
            clock,
            reservoir,
            replication,
            converter,
            samples,
        })
    }

    /// The seconds that are missing before a packet that begins at a time of the container's clock. Clocks of recorders jitter: a gap
    /// shorter than half of the sound decoded since the last clock time is ignored.
    fn gap(&mut self, time: f64) -> Option<f64> {
        const JITTER: f64 = 0.005;
        let (_, rate) = self.spec.filter(|_| self.decoded > 0)?;
        let (before, decoded) = self.clock.replace((time, self.decoded))?;
        let passed = (self.decoded - decoded) as f64 / f64::from(rate);
        let missing = time - before - passed;
        (missing > JITTER.max(passed / 2.0)).then_some(missing)
    }

    /// The warning for a stream that is HE-AAC.
    fn half_spectrum(&self) -> Option<AudioWarning> {
        let is_found = self.replication.as_ref().is_some_and(Replication::is_found);
        let (_, sample_rate) = self.spec.filter(|_| is_found)?;
        Some(AudioWarning::HalfSpectrum { sample_rate })
    }

    /// Decodes a packet to `samples`, without delay and padding. `given` are the file's frames so far, for errors.
    fn decode(&mut self, packet: &Packet, given: u64) -> Result<(), AudioErrorKind> {
        self.samples.clear();
        if packet.data.is_empty() && (packet.granule.is_some() || packet.time.is_some()) {
            // An OGG page without a packet only counts, and Matroska's last time only tells the end.
            if let Some(granule) = packet.granule {
                self.counted(granule);
            }
            return Ok(());
        }
        if let Some(reservoir) = &mut self.reservoir {
            reservoir.take(&packet.data)?;
        }
        if let Some(replication) = &mut self.replication {
            replication.take(&packet.data);
        }
        let decoded = match &mut self.decoder {
            Decoder::Opus(decoder) => {
                decoder.decode(&packet.data).map(|samples| self.samples.extend_from_slice(samples))
            }
            Decoder::Pcm16 => {
                let samples = packet.data.as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes));
                self.samples.extend(samples.map(|sample| f32::from(sample) / 32_768.0));
                let channels = self.spec.map_or(1, |(channels, _)| channels);
                self.samples.truncate(self.samples.len() / channels * channels);
                Ok(())
            }
            Decoder::Symphonia(decoder) => {
                let data = PacketRef::new(0, Timestamp::ZERO, Duration::new(packet.frames), &packet.data);
                match decoder.decode_ref(&data) {
                    Ok(part) => {
                        let spec = (part.spec().channels().count(), part.spec().rate());
                        if spec.0 == 0 || spec.1 == 0 {
                            return Err(AudioErrorKind::malformed(format!(
                                "packet must have 1 or more channels at 1 Hz or more, got {} channels at {} Hz",
                                spec.0, spec.1
                            )));
                        }
                        if let Some(stream) = self.spec.filter(|stream| *stream != spec) {
                            return Err(AudioErrorKind::malformed(format!(
                                "packet must have its stream's {} channels at {} Hz, got {} channels at {} Hz",
                                stream.0, stream.1, spec.0, spec.1
                            )));
                        }
                        self.spec = Some(spec);
                        part.copy_to_vec_interleaved(&mut self.samples);
                        Ok(())
                    }
                    Err(error) => {
                        Err(refused(error, &self.stream.codec, &packet.data, (given, self.decoded > 0)))
                    }
                }
            }
        };
        decoded?;
        self.trim(packet);
        Ok(())
    }

    /// Cuts the encoder's delay and padding off.
    fn trim(&mut self, packet: &Packet) {
        let Some((channels, rate)) = self.spec else { return };
        let frames = (self.samples.len() / channels) as u64;
        let start = self.decoded;
        self.decoded += frames;
        let mut end = self.decoded - packet.discard.min(frames);
        if let Some(granule) = packet.granule {
            end = end.min(self.counted(granule));
        }
        let first = scaled(&self.stream, rate, self.stream.skip);
        let last = self.stream.keep.map(|keep| first.saturating_add(scaled(&self.stream, rate, keep)));
        let end = end.min(last.unwrap_or(u64::MAX));
        let from = first.clamp(start, self.decoded) - start;
        let to = end.clamp(start, self.decoded) - start;
        self.samples.truncate(to as usize * channels);
        self.samples.drain(..(from.min(to)) as usize * channels);
    }

    /// The last frame to keep by what an OGG page counts. Where it counts more from page to page than was decoded, its recorder paused or
    /// lost sound: no page is missing, as their numbers tell.
    fn counted(&mut self, granule: Granule) -> u64 {
        let lead = i128::from(self.decoded) - i128::from(granule.frames);
        let Some(before) = self.lead else {
            self.lead = i64::try_from(lead).ok();
            // Of a stream of one page the padding is all that the page doesn't count. Other streams may begin later.
            return if granule.last { self.decoded.min(granule.frames) } else { self.decoded };
        };
        let excess = lead - i128::from(before);
        if excess < 0 {
            self.uncounted = self.spec.map(|(_, rate)| -excess as f64 / f64::from(rate));
        }
        if excess < 0 || !granule.last {
            // A page that counts too little loses nothing.
            self.lead = i64::try_from(lead).ok();
            return self.decoded;
        }
        self.decoded.saturating_sub(u64::try_from(excess).unwrap_or(u64::MAX))
    }
}

/// Channels and sample rate of a stream for [`Decoder::Pcm16`].
fn pcm16(parameters: &AudioCodecParameters) -> Option<(usize, u32)> {
    let channels = parameters.channels.as_ref().map_or(0, |channels| channels.count());
    let rate = parameters.sample_rate.filter(|rate| *rate > 0 && channels > 0)?;
    (parameters.codec == CODEC_ID_PCM_S16LE).then_some((channels, rate))
}

fn symphonia_decoder(parameters: &AudioCodecParameters) -> Result<Box<dyn AudioDecoder>, AudioErrorKind> {
    let registry = symphonia::default::get_codecs();
    if registry.get_audio_decoder(parameters.codec).is_none() {
        return Err(AudioErrorKind::UnsupportedCodec { codec: codec::name(parameters.codec) });
    }
    let channels = parameters.channels.as_ref().map_or(0, |channels| channels.count());
    if parameters.codec == CODEC_ID_VORBIS && channels > 2 {
        // Symphonia gives other samples than libvorbis, where an encoder coupled the channels.
        return Err(AudioErrorKind::UnsupportedCodec { codec: format!("Vorbis of {channels} channels") });
    }
    // Trimming is done here, for all codecs; `gapless` makes Vorbis leave out its first packet, which is half a window.
    let options = AudioDecoderOptions::default().gapless(true);
    let codec = Codec::Symphonia(Box::new(parameters.clone()));
    registry.make_audio_decoder(parameters, &options).map_err(|error| refused(error, &codec, &[], (0, false)))
}

/// Converts an error of a decoder for a packet, or of making a decoder: either the codec's variant is unsupported, or the packet is damaged.
/// `frames` is the number of frames decoded before the packet, and `begun` whether this stream's decoder made some of them. If it did, the
/// variant is supported and the error means damage. The same holds if the headers state the variant, as in all codecs except MPEG audio and
/// AAC without a profile.
fn refused(error: Error, codec: &Codec, packet: &[u8], (frames, begun): (u64, bool)) -> AudioErrorKind {
    let is_layer_2 = matches!(codec, Codec::Symphonia(parameters) if parameters.codec == CODEC_ID_MP2);
    if let Some(codec) = mpeg::forbidden(packet).filter(|_| is_layer_2) {
        return AudioErrorKind::UnsupportedCodec { codec };
    }
    let undecodable = |found: String| {
        AudioErrorKind::malformed(format!("packet must be decodable, got {found} (after {frames} frames)"))
    };
    match (error, codec) {
        (Error::Unsupported(what), Codec::Symphonia(parameters))
            if !begun && (packet.is_empty() || !tells_variant(parameters)) =>
        {
            codec::variant(parameters.codec, what)
        }
        (Error::Unsupported(what), Codec::Symphonia(parameters)) if parameters.codec == CODEC_ID_AAC => {
            undecodable(format!("one that asks for what its stream lacks: {what}"))
        }
        (Error::Unsupported(what) | Error::DecodeError(what), _) => {
            undecodable(format!("a faulty one: {what}"))
        }
        (Error::IoError(e), _) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            undecodable("a part of one".into())
        }
        (e, _) => undecodable(format!("a faulty one: {e}")),
    }
}

/// Whether the headers of a stream state the variant of its codec, so that its packets can't be of another one.
fn tells_variant(parameters: &AudioCodecParameters) -> bool {
    match parameters.codec {
        CODEC_ID_MP1 | CODEC_ID_MP2 | CODEC_ID_MP3 => false,
        CODEC_ID_AAC => parameters.profile == Some(CODEC_PROFILE_AAC_LC),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::demux::parameters;

    #[test]
    fn vorbis_of_more_than_two_channels_is_refused_by_name() {
        match symphonia_decoder(&parameters(CODEC_ID_VORBIS, 48_000, 6)) {
            Err(error) => assert!(error.to_string().contains("Vorbis of 6 channels"), "{error}"),
            Ok(_) => panic!("it is decoded"),
        }
    }
}
