//! Records from the default microphone through the sound interface of the operating system.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{Device, FromSample, InputCallbackInfo, Sample, SampleFormat, SizedSample, Stream, StreamConfig};
use std::sync::mpsc::SyncSender;

use crate::source::{Piece, Source};

/// Name of the microphone in errors.
const NAME: &str = "the microphone";

/// Maximum number of pieces in the queue, a second of sound or more. The sound card does not wait: further pieces are dropped and counted.
const WAITING: usize = 100;

/// Opens the default microphone with its own rate and channels.
pub(crate) fn open() -> anyhow::Result<Source> {
    let device = cpal::default_host()
        .default_input_device()
        .with_context(|| format!("{NAME}: device must exist, got none"))?;
    let config = device.default_input_config().with_context(|| format!("{NAME}: cannot be used"))?;
    let (send, pieces) = sync_channel(WAITING);
    let lost = Arc::new(AtomicUsize::new(0));
    let capture = Capture {
        send,
        lost: Arc::clone(&lost),
        channels: config.channels().into(),
        rate: config.sample_rate(),
    };
    let sample_rate = config.sample_rate();
    let format = config.sample_format();
    let config: StreamConfig = config.into();
    let stream = match format {
        SampleFormat::F32 => capture.listen::<f32>(&device, config),
        SampleFormat::I16 => capture.listen::<i16>(&device, config),
        SampleFormat::U16 => capture.listen::<u16>(&device, config),
        SampleFormat::I32 => capture.listen::<i32>(&device, config),
        SampleFormat::U8 => capture.listen::<u8>(&device, config),
        SampleFormat::I8 => capture.listen::<i8>(&device, config),
        other => bail!("{NAME}: samples must be f32, i8, i16, i32, u8 or u16, got {other}"),
    }?;
    stream.play().with_context(|| format!("{NAME}: cannot be started"))?;
    Ok(Source {
        name: NAME,
        sample_rate,
        pieces,
        warnings: channel().1,
        lost: Some(lost),
        _stream: Some(Box::new(stream)),
    })
}

/// Receives samples from the microphone and sends them as pieces.
struct Capture {
    send: SyncSender<anyhow::Result<Piece>>,
    lost: Arc<AtomicUsize>,
    channels: usize,
    rate: u32,
}

impl Capture {
    fn listen<T>(self, device: &Device, config: StreamConfig) -> anyhow::Result<Stream>
    where
        T: SizedSample + Send + 'static,
        f32: FromSample<T>,
    {
        let fail = self.send.clone();
        let failed = move |error: cpal::Error| {
            // A dropout of the sound card does not end the stream.
            if !matches!(error.kind(), cpal::ErrorKind::Xrun | cpal::ErrorKind::RealtimeDenied) {
                let _ = fail.try_send(Err(anyhow!(error)));
            }
        };
        let take = move |samples: &[T], info: &InputCallbackInfo| self.take(samples, info);
        device
            .build_input_stream(config, take, failed, None)
            .with_context(|| format!("{NAME}: cannot be opened"))
    }

    fn take<T>(&self, samples: &[T], info: &InputCallbackInfo)
    where
        T: Sample,
        f32: FromSample<T>,
    {
        let mono = |frame: &[T]| {
            frame.iter().map(|&sample| f32::from_sample(sample)).sum::<f32>() / frame.len() as f32
        };
        let samples: Vec<f32> = samples.chunks_exact(self.channels).map(mono).collect();
        // The timestamp of the card is that of the first sample.
        let since_first = info.timestamp().callback.duration_since(info.timestamp().capture);
        let lasting = Duration::from_secs_f64(samples.len() as f64 / f64::from(self.rate));
        let piece = Piece { samples, came: Instant::now(), delay: since_first.saturating_sub(lasting) };
        if self.send.try_send(Ok(piece)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}
