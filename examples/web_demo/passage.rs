//! A channel for a body that is parsed while it arrives: one side sends its parts, the other reads them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use hyper::body::Frame;
use tokio::sync::mpsc;

/// The reading side. It ends when the sender is dropped.
pub(crate) struct Passed(mpsc::Receiver<Bytes>);

/// Returns both sides. A part can be sent when the part before it was read, so that at most one part waits.
pub(crate) fn passage() -> (mpsc::Sender<Bytes>, Passed) {
    let (sender, receiver) = mpsc::channel(1);
    (sender, Passed(receiver))
}

impl HttpBody for Passed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|part| part.map(|data| Ok(Frame::data(data))))
    }
}
