//! Layers, architectures, training and a recogniser for speech emotion.
