//! Symphonia's readers and decoders, from the first packet to the last.

use std::io::Cursor;

use symphonia::core::codecs::audio::{AudioDecoderOptions, well_known::CODEC_ID_MP3};
use symphonia::core::errors::Error;
use symphonia::core::formats::well_known::{FORMAT_ID_AIFF, FORMAT_ID_FLAC};
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType, probe::Hint};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use super::mp4::AudioTrack;
use super::{Audio, AudioErrorKind, AudioLimits, codec, container};

/// Where the encoder's delay and padding are told, which are no part of the sound.
pub(super) enum Gaps {
    /// Symphonia's decoder cuts them.
    ByDecoder,
    /// The MP3 encoder's tag tells them. Without one Symphonia guesses the length from the bit rate of the first
    /// frame and would cut the end of a file with a variable one, so it isn't asked to cut.
    Mpeg,
    /// The MP4 file's edit list tells them, which Symphonia doesn't follow.
    Edit(Option<AudioTrack>),
}

pub(super) fn decode(limits: AudioLimits, bytes: &[u8], gaps: Gaps) -> Result<Audio, AudioErrorKind> {
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    let mut reader = symphonia::default::get_probe()
        .probe(&Hint::new(), stream, FormatOptions::default(), MetadataOptions::default())
        .map_err(|e| match e {
            Error::Unsupported("core (probe): no suitable format reader found") => {
                container::not_audio(bytes)
            }
            e => fault(e, 0),
        })?;

    let mut decoded: Option<Audio> = None;
    loop {
        let chained = decode_streams(limits, &mut *reader, &gaps, &mut decoded)?;
        if !chained {
            break;
        }
    }
    decoded.ok_or(AudioErrorKind::Empty { bytes: bytes.len() })
}

/// Decodes until the end, or until the reader starts over with new tracks, as chained OGG files do (`true`).
fn decode_streams(
    limits: AudioLimits,
    reader: &mut dyn FormatReader,
    gaps: &Gaps,
    decoded: &mut Option<Audio>,
) -> Result<bool, AudioErrorKind> {
    let track = select_track(reader, gaps)?;
    let parameters =
        track.codec_params.as_ref().and_then(|p| p.audio()).ok_or(AudioErrorKind::NoAudioTrack)?;
    let registry = symphonia::default::get_codecs();
    if registry.get_audio_decoder(parameters.codec).is_none() {
        return Err(AudioErrorKind::UnsupportedCodec { codec: codec::name(parameters.codec) });
    }
    let options = AudioDecoderOptions::default().gapless(matches!(gaps, Gaps::ByDecoder));
    // A variant of the codec, such as HE-AAC.
    let refused = |e, frames| match e {
        Error::Unsupported(what) => AudioErrorKind::UnsupportedCodec {
            codec: format!("{} of this kind ({what})", codec::name(parameters.codec)),
        },
        e => fault(e, frames),
    };
    let mut decoder = registry.make_audio_decoder(parameters, &options).map_err(|e| refused(e, 0))?;

    let start = decoded.as_ref().map_or(0, |audio| audio.samples.len());
    let mut buffer = Vec::new();
    let mut failed = None;
    let chained = loop {
        let frames = decoded.as_ref().map_or(0, Audio::frames);
        let packet = match reader.next_packet() {
            Ok(Some(packet)) if packet.track_id == track.id => packet,
            Ok(Some(_)) => continue,
            Ok(None) => break false,
            Err(Error::ResetRequired) => break true,
            Err(e) => return Err(fault(e, frames)),
        };
        let part = match decoder.decode(&packet) {
            Ok(part) => part,
            // What follows the last MP3 frame (tags, filler) may look like one. Only an error before more sound counts.
            Err(e) if parameters.codec == CODEC_ID_MP3 => {
                failed.get_or_insert((e, frames));
                continue;
            }
            Err(e) => return Err(refused(e, frames)),
        };
        if let Some((e, frames)) = failed {
            return Err(fault(e, frames));
        }
        part.copy_to_vec_interleaved(&mut buffer);
        let (channels, sample_rate) = (part.spec().channels().count(), part.spec().rate());
        let audio = decoded.get_or_insert(Audio { samples: Vec::new(), channels, sample_rate });
        if (audio.channels, audio.sample_rate) != (channels, sample_rate) || channels == 0 || sample_rate == 0
        {
            return Err(AudioErrorKind::malformed(format!(
                "it changes from {} channels at {} Hz to {channels} at {sample_rate} Hz",
                audio.channels, audio.sample_rate
            )));
        }
        audio.samples.extend_from_slice(&buffer);
        audio.check_size(limits)?;
    };
    if let (Some((e, frames)), None) = (failed, &decoded) {
        return Err(fault(e, frames));
    }
    if let Some(audio) = decoded {
        let frames = (audio.samples.len() - start) / audio.channels;
        let exact = [FORMAT_ID_FLAC, FORMAT_ID_AIFF].contains(&reader.format_info().format);
        let (from, to) = kept(gaps, &track, exact, audio.sample_rate, frames as u64)?;
        audio.samples.truncate(start + to * audio.channels);
        audio.samples.drain(start..start + from * audio.channels);
    }
    Ok(chained)
}

/// The track to decode: a copy, so that the reader can go on.
fn select_track(reader: &dyn FormatReader, gaps: &Gaps) -> Result<Track, AudioErrorKind> {
    let sound = match gaps {
        Gaps::Edit(Some(sound)) => reader.tracks().iter().find(|track| track.id == sound.id),
        _ => reader.default_track(TrackType::Audio),
    };
    if let (Gaps::Edit(Some(sound)), true) = (gaps, sound.is_none_or(|track| track.codec_params.is_none())) {
        return Err(AudioErrorKind::UnsupportedCodec { codec: sound.codec.clone() });
    }
    sound.cloned().ok_or(AudioErrorKind::NoAudioTrack)
}

/// First and last frame to keep of those that were decoded; an error if they are fewer than the file declares. `exact`
/// tells that the container declares what its frames decode to, neither rounded nor with padding.
fn kept(
    gaps: &Gaps,
    track: &Track,
    exact: bool,
    rate: u32,
    frames: u64,
) -> Result<(usize, usize), AudioErrorKind> {
    // A fragmented MP4 file declares none in its header.
    let declared = track.num_frames.filter(|&n| n > 0);
    let (from, to, declared) = match gaps {
        Gaps::ByDecoder => (0, frames, declared.filter(|_| exact)),
        Gaps::Mpeg => match track.delay {
            // `num_frames` is without delay and padding.
            Some(delay) => {
                let end = declared.map(|n| n + u64::from(delay));
                (delay.into(), end.unwrap_or(frames).min(frames), end)
            }
            None => (0, frames, None),
        },
        Gaps::Edit(None) => (0, frames, declared),
        Gaps::Edit(Some(sound)) => {
            // The decoded rate differs from the track's where only the core of HE-AAC is decoded.
            let scale =
                |ticks: u64| (u128::from(ticks) * u128::from(rate)).div_ceil(sound.timescale.into()) as u64;
            let from = scale(sound.start);
            let listed = declared.map_or(frames, scale);
            let to = sound.length.map_or(frames, |length| from.saturating_add(scale(length)));
            (from, to.min(listed).min(frames), declared.map(scale))
        }
    };
    if let Some(declared) = declared.filter(|&declared| frames < declared) {
        return Err(AudioErrorKind::Truncated { unit: "frames", declared, found: frames });
    }
    Ok((from.min(to) as usize, to as usize))
}

fn fault(error: Error, frames: usize) -> AudioErrorKind {
    let reason = match error {
        Error::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => "it ends early".into(),
        e => e.to_string(),
    };
    AudioErrorKind::malformed(format!("{reason} (after {frames} frames)"))
}
