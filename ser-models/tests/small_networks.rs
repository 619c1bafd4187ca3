//! Every architecture in small sizes.

use candle_core::{Device, Tensor};
use ser_models::layers::Padded;
use ser_models::models::{
    Architecture, AttentionLstmConfig, BlockLayer, Cnn1dConfig, CnnAttentionConfig, CnnLstmConfig, ConvBlock,
    EnsembleConfig, HeadPooling, HybridConfig, ModelInput, RnnLstmConfig, TimNetConfig, TunedBlocks,
    WhisperHeadConfig,
};

/// Returns a small network of every architecture, with this number of frames and this dropout in every layer.
pub(crate) fn small(frames: usize, dropout: f64) -> Vec<Architecture> {
    let image = |filters, batch_norm| ConvBlock::image(filters, batch_norm, [2; 2], dropout);
    let cnn_lstm = |channels, batch_norm| CnnLstmConfig {
        channels,
        rows: 8,
        frames,
        blocks: vec![image(6, batch_norm), image(8, batch_norm)],
        lstm_units: 16,
        dropout,
        ..Default::default()
    };
    let hybrid = HybridConfig {
        rows: 10,
        frames,
        blocks: vec![ConvBlock::new(12, 3, 2, dropout), ConvBlock::new(12, 3, 2, dropout)],
        lstm_units: 16,
        lstm_dropout: dropout,
        dropout,
        dense: vec![12],
        ..Default::default()
    };
    let attention = AttentionLstmConfig {
        rows: 10,
        frames,
        lstm_units: 8,
        attention_units: 6,
        dropout,
        ..Default::default()
    };
    let tim_net = TimNetConfig {
        rows: 10,
        frames,
        filters: 12,
        blocks: 4,
        spatial_dropout: dropout,
        ..Default::default()
    };
    let cnn_attention = CnnAttentionConfig {
        rows: 8,
        frames,
        blocks: vec![image(6, true), image(8, true)],
        attention_units: 6,
        dropout,
        ..Default::default()
    };
    let head = |pooling| WhisperHeadConfig {
        blocks: 2,
        width: 16,
        pooling,
        dense: vec![24],
        dropout,
        ..Default::default()
    };
    let tuned = |pooling| WhisperHeadConfig {
        blocks: 3,
        skipped: 1,
        width: 64,
        tuned: Some(TunedBlocks { blocks: 1, hidden: 12, frames }),
        ..head(pooling)
    };
    let block = |then: &[BlockLayer]| ConvBlock { filters: 8, kernel_size: 3, then: then.to_vec() };
    let issa = Cnn1dConfig {
        features: 24,
        blocks: vec![
            block(&[BlockLayer::BatchNorm, BlockLayer::Relu]),
            block(&[
                BlockLayer::Relu,
                BlockLayer::Dropout(dropout),
                BlockLayer::BatchNorm,
                BlockLayer::MaxPool(4),
            ]),
        ],
        dropout,
        normalize_logits: true,
        ..Default::default()
    };
    vec![
        Cnn1dConfig { features: 24, blocks: vec![ConvBlock::new(8, 3, 2, dropout)], ..Default::default() }
            .into(),
        issa.into(),
        cnn_lstm(1, false).into(),
        cnn_lstm(3, true).into(),
        hybrid.into(),
        RnnLstmConfig { rows: 10, frames, rnn_units: 16, lstm_units: 12, dropout, ..Default::default() }
            .into(),
        attention.into(),
        tim_net.into(),
        cnn_attention.clone().into(),
        head(HeadPooling::Statistics).into(),
        head(HeadPooling::Attentive { units: 6, frames }).into(),
        tuned(HeadPooling::Means).into(),
        tuned(HeadPooling::Attentive { units: 6, frames }).into(),
        EnsembleConfig::new(2, cnn_attention).into(),
    ]
}

/// Returns the number of networks in an architecture.
pub(crate) fn members(architecture: &Architecture) -> usize {
    match architecture {
        Architecture::Ensemble(config) => config.members,
        _ => 1,
    }
}

/// Returns the small networks that can be trained: all except ensembles.
pub(crate) fn small_networks(frames: usize, dropout: f64) -> impl Iterator<Item = Architecture> {
    small(frames, dropout).into_iter().filter(|architecture| members(architecture) == 1)
}

/// Makes a batch of random inputs with alternating labels. Inputs that can be padded have 22 to 24 valid frames, but at most all, and then
/// zeros.
pub(crate) fn batch(input: ModelInput, n: usize, classes: usize) -> (Padded, Vec<usize>) {
    let mut shape = vec![n];
    shape.extend(input.shape());
    let mut values: Vec<f32> = (0..shape.iter().product::<usize>())
        .map(|i| ((i as f32 * 12.9898).sin() * 43_758.547).fract() * 2.0)
        .collect();
    let frames = input.frames();
    let lengths = input.is_padded().then(|| (0..n).map(|i| (24 - i % 3).min(frames)).collect::<Vec<_>>());
    if let Some(lengths) = &lengths {
        for (clip, length) in values.chunks_mut(shape[1..].iter().product()).zip(lengths) {
            clip.chunks_mut(frames).for_each(|row| row[*length..].fill(0.0));
        }
    }
    let values = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
    (Padded::new(values, lengths).unwrap(), (0..n).map(|i| i % classes).collect())
}
