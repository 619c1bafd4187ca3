//! Reads the bodies of requests with limits on size, time and the memory of all uploads together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header;
use axum::http::request::Parts;
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::pace::{PACE, Pace};
use crate::passage::passage;
use crate::problem::Problem;
use crate::room::{Room, Share};

/// Maximum number of bytes of a clip.
pub(crate) const MAX_CLIP: usize = 20_000_000;
/// Maximum number of bytes of a request in JSON.
pub(crate) const MAX_JSON: usize = 64 * 1024;
/// Maximum number of bytes before the file of a form. A form may be larger than a clip by as many bytes.
const AROUND: usize = 10_000;
/// Longest time for a request to arrive.
const ARRIVAL: Duration = Duration::from_secs(30);
/// Number of clips of the maximum size that have room at the same time. One of them uses the reserve.
const LARGEST_AT_ONCE: usize = 3;

/// The memory that uploads share. Room is taken for the bytes that have arrived, not for those that are declared, so that a client that
/// declares much and sends little holds little.
pub(crate) struct Uploads {
    room: Room,
    patience: Duration,
    pace: Duration,
}

/// A clip and the room that it takes.
pub(crate) struct Upload {
    /// Name in errors.
    pub(crate) name: String,
    pub(crate) content: Bytes,
    _share: Share,
}

impl Uploads {
    /// `patience` is the longest time that a body waits for room.
    pub(crate) fn new(patience: Duration) -> Self {
        let room = Room::new((LARGEST_AT_ONCE - 1) * MAX_CLIP, MAX_CLIP);
        Self { room, patience, pace: PACE }
    }

    /// Reads the clip of a request, which is either the body or the first file of a form.
    pub(crate) async fn clip(&self, request: Request) -> Result<Upload, Problem> {
        let mut share = self.room.share();
        let clip = timeout(ARRIVAL, self.read(request, &mut share)).await;
        let (name, content) = clip.map_err(|_| Problem::slow())??;
        Ok(Upload { name, content: content.into(), _share: share })
    }

    /// Returns name and content of the file in a request.
    async fn read(&self, request: Request, share: &mut Share) -> Result<(String, Vec<u8>), Problem> {
        let (head, body) = request.into_parts();
        let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_form = kind.is_some_and(|kind| kind.starts_with("multipart/form-data"));
        let limit = if is_form { MAX_CLIP + AROUND } else { MAX_CLIP };
        let mut arriving = Arriving::new(body, limit, self.pace);
        let file = File { content: Vec::new(), end: arriving.declared(), share, patience: self.patience };
        let read = match is_form {
            true => file_of(head, &mut arriving, file).await,
            false => clip_of(&mut arriving, file).await,
        };
        if let Err(problem) = &read {
            share.give_back();
            arriving.drain(problem).await?;
        }
        read
    }
}

/// The part of a file that has arrived.
struct File<'a> {
    content: Vec<u8>,
    /// Number of bytes that the request declares.
    end: usize,
    share: &'a mut Share,
    /// The longest time to wait for room.
    patience: Duration,
}

impl File<'_> {
    /// Takes room for more bytes and appends them.
    async fn keep(&mut self, data: &[u8]) -> Result<(), Problem> {
        let grown = timeout(self.patience, self.share.grow(data.len())).await;
        grown.map_err(|_| Problem::busy(self.patience))?;
        append(&mut self.content, data, self.end);
        Ok(())
    }
}

/// Reads a body that is the file itself.
async fn clip_of(arriving: &mut Arriving, mut file: File<'_>) -> Result<(String, Vec<u8>), Problem> {
    while let Some(data) = arriving.next().await? {
        file.keep(&data).await?;
    }
    Ok(("the clip".to_owned(), file.content))
}

/// Returns name and content of the first file of a form. The form is parsed while it arrives, and only the file is kept.
async fn file_of(
    head: Parts,
    arriving: &mut Arriving,
    mut file: File<'_>,
) -> Result<(String, Vec<u8>), Problem> {
    let broken = |_| {
        Problem::invalid("form: content must end with the boundary that Content-Type names, got another end")
    };
    let (sender, passed) = passage();
    let is_found = AtomicBool::new(false);
    let pass = async {
        let mut before = 0;
        while let Some(data) = arriving.next().await? {
            // Bytes after the file are read and dropped.
            let Ok(place) = sender.reserve().await else { continue };
            // `reserve` returns when the parser has taken all earlier bytes. If it has found no file in them, they all precede the file,
            // and the parser keeps them in memory.
            if !is_found.load(Ordering::Relaxed) && before > AROUND {
                return Err(Problem::invalid(format!(
                    "form: file must begin within the first {} kB, got more before it",
                    AROUND / 1000
                )));
            }
            before += data.len();
            place.send(data);
        }
        drop(sender);
        Ok(())
    };
    let parse = async {
        let mut parts = Multipart::from_request(Request::from_parts(head, Body::new(passed)), &())
            .await
            .map_err(|_| {
                Problem::invalid("request: Content-Type must name the boundary of the form's parts, got none")
            })?;
        while let Some(mut part) = parts.next_field().await.map_err(broken)? {
            let Some(name) = part.file_name().map(ToString::to_string) else { continue };
            is_found.store(true, Ordering::Relaxed);
            while let Some(data) = part.chunk().await.map_err(broken)? {
                file.keep(&data).await?;
            }
            return Ok((name, file.content));
        }
        Err(Problem::invalid("form: parts must hold a file, got none"))
    };
    let ((), found) = tokio::try_join!(pass, parse)?;
    Ok(found)
}

/// Reads a body in JSON without parsing it.
pub(crate) async fn json(request: Request) -> Result<Bytes, Problem> {
    let read = async {
        let mut arriving = Arriving::new(request.into_body(), MAX_JSON, PACE);
        let (mut content, end) = (Vec::new(), arriving.declared());
        loop {
            match arriving.next().await {
                Ok(Some(data)) => append(&mut content, &data, end),
                Ok(None) => return Ok(content.into()),
                Err(problem) => {
                    drop(content);
                    arriving.drain(&problem).await?;
                    return Err(problem);
                }
            }
        }
    };
    timeout(ARRIVAL, read).await.map_err(|_| Problem::slow())?
}

/// A body that is arriving. It may have at most `limit` bytes.
struct Arriving {
    body: Body,
    limit: usize,
    pace: Pace,
    /// Bytes read so far.
    read: usize,
}

impl Arriving {
    fn new(body: Body, limit: usize, pace: Duration) -> Self {
        Self { body, limit, pace: Pace::new(pace), read: 0 }
    }

    /// Returns the number of bytes that the request declares, at most the limit. If it declares none, returns the limit.
    fn declared(&self) -> usize {
        let limit = self.limit as u64;
        self.body.size_hint().exact().map_or(limit, |bytes| bytes.min(limit)) as usize
    }

    /// Returns the next part, or `None` at the end.
    ///
    /// # Errors
    /// If there are more bytes than the limit, or if the body is too slow or broken.
    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        let data = self.take().await?;
        if self.read > self.limit { Err(Problem::too_large(self.limit)) } else { Ok(data) }
    }

    /// Reads and discards the rest of a body that is wrong or too large, up to five times the limit: a client that is still sending when
    /// the connection is closed cannot read the error. Does nothing if the body was too slow or if there was no room.
    async fn drain(&mut self, problem: &Problem) -> Result<(), Problem> {
        let is_waited_for = [400, 413].contains(&problem.status);
        while is_waited_for && self.read <= 5 * self.limit && self.take().await?.is_some() {}
        Ok(())
    }

    async fn take(&mut self) -> Result<Option<Bytes>, Problem> {
        while let Some(frame) = self.pace.keep(self.body.frame()).await? {
            let broken = |_| Problem::invalid("body: content must arrive whole, got a part");
            let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
            self.pace.note(self.read, data.len());
            self.read += data.len();
            return Ok(Some(data));
        }
        Ok(None)
    }
}

/// Appends bytes. A full buffer doubles its capacity, but to at most `end` bytes unless more are needed.
fn append(content: &mut Vec<u8>, data: &[u8], end: usize) {
    let needed = content.len() + data.len();
    if needed > content.capacity() {
        let room = (2 * content.capacity()).min(end).max(needed);
        content.reserve_exact(room - content.len());
    }
    content.extend_from_slice(data);
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Instant;

    use axum::extract::DefaultBodyLimit;

    use super::*;

    fn whole(uploads: &Uploads, size: usize) -> impl Future<Output = Result<Upload, Problem>> {
        uploads.clip(Request::new(Body::from(vec![0; size])))
    }

    /// A body whose first part arrives and whose end never does.
    struct Endless(Option<Bytes>);

    impl HttpBody for Endless {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            match self.0.take() {
                Some(data) => Poll::Ready(Some(Ok(hyper::body::Frame::data(data)))),
                None => Poll::Pending,
            }
        }
    }

    #[tokio::test]
    async fn three_of_the_largest_uploads_find_room_and_a_fourth_when_one_ends() {
        let uploads = Uploads::new(Duration::from_millis(50));
        let mut clips = Vec::new();
        for _ in 0..LARGEST_AT_ONCE {
            clips.push(whole(&uploads, MAX_CLIP).await.map_err(|problem| problem.detail).unwrap());
        }
        assert_eq!(whole(&uploads, MAX_CLIP).await.err().map(|problem| problem.code), Some("busy"));
        clips.pop();
        assert!(whole(&uploads, MAX_CLIP).await.is_ok());
    }

    #[tokio::test]
    async fn uploads_that_declare_much_and_send_little_starve_nobody() {
        let uploads = Uploads::new(Duration::from_secs(5));
        let waiting = async {
            let all = (0..200).map(|_| {
                Box::pin(uploads.clip(Request::new(Body::new(Endless(Some(vec![0; 1000].into()))))))
            });
            let mut all: Vec<_> = all.collect();
            std::future::poll_fn(|context| {
                for one in &mut all {
                    assert!(one.as_mut().poll(context).is_pending());
                }
                Poll::<()>::Pending
            })
            .await;
        };
        tokio::select! {
            () = waiting => (),
            clip = whole(&uploads, MAX_CLIP) => assert_eq!(clip.map_err(|problem| problem.detail).unwrap().content.len(), MAX_CLIP),
        }
    }

    #[tokio::test]
    async fn what_is_too_large_is_refused_and_gives_its_room_back() {
        let uploads = Uploads::new(Duration::from_millis(50));
        for _ in 0..5 {
            assert_eq!(whole(&uploads, MAX_CLIP + 1).await.err().map(|problem| problem.status), Some(413));
        }
        assert!(whole(&uploads, MAX_CLIP).await.is_ok());
        let json = json(Request::new(Body::from(vec![b' '; MAX_JSON + 1]))).await;
        assert_eq!(json.err().map(|problem| problem.status), Some(413));
    }

    /// Returns a form whose pieces arrive one by one.
    fn form(pieces: impl IntoIterator<Item = Bytes>) -> Request {
        let (sender, body) = passage();
        let pieces: Vec<Bytes> = pieces.into_iter().collect();
        tokio::spawn(async move {
            for piece in pieces {
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
        });
        let kind = "multipart/form-data; boundary=x";
        let mut form = Request::builder().header("Content-Type", kind).body(Body::new(body)).unwrap();
        // The router disables axum's limit too.
        DefaultBodyLimit::disable().apply(&mut form);
        form
    }

    const HEAD: &[u8] = b"--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b\"\r\n\r\n";

    #[tokio::test]
    async fn a_form_takes_the_room_of_its_file_and_no_more() {
        let uploads = Uploads::new(Duration::from_millis(50));
        let piece = Bytes::from(vec![0; 100_000]);
        let clip = || {
            let file = std::iter::repeat_n(piece.clone(), MAX_CLIP / piece.len());
            uploads.clip(form(
                [Bytes::from_static(HEAD)]
                    .into_iter()
                    .chain(file)
                    .chain([Bytes::from_static(b"\r\n--x--\r\n")]),
            ))
        };
        let mut clips = Vec::new();
        for _ in 0..LARGEST_AT_ONCE {
            let clip = clip().await.map_err(|problem| problem.detail).unwrap();
            assert_eq!((clip.name.as_str(), clip.content.len()), ("b", MAX_CLIP));
            assert_eq!(clip.content[..], vec![0; MAX_CLIP]);
            clips.push(clip);
        }
        assert_eq!(clip().await.err().map(|problem| problem.code), Some("busy"));
    }

    /// The parser keeps the bytes before the file in memory, so they must be few.
    #[tokio::test]
    async fn what_stands_before_the_file_of_a_form_is_not_hoarded() {
        let uploads = Uploads::new(Duration::from_secs(1));
        let many = |piece: &'static [u8], count: usize| std::iter::repeat_n(Bytes::from(piece), count);
        let field = b"--x\r\nContent-Disposition: form-data; name=\"words\"\r\n\r\n";
        let detail = async |request| uploads.clip(request).await.err().map(|problem| problem.detail);
        let expected = "form: file must begin within the first 10 kB, got more before it";
        for request in [
            form(many(&[b'a'; 1000], 100)),
            form([Bytes::from_static(HEAD.trim_ascii_end())].into_iter().chain(many(b"\r\nA: b", 20_000))),
            form([Bytes::from_static(field)].into_iter().chain(many(&[b'a'; 1000], 100))),
        ] {
            assert_eq!(detail(request).await.as_deref(), Some(expected));
        }
        // A field before the file and a field after it are accepted.
        let little = [&field[..], b"some words\r\n", HEAD, &[7; 20_000]].concat();
        let after =
            b"\r\n--x\r\nContent-Disposition: form-data; name=\"c\"; filename=\"d\"\r\n\r\nno\r\n--x--\r\n";
        let clip = uploads.clip(form([Bytes::from(little), Bytes::from_static(after)])).await;
        let clip = clip.map_err(|problem| problem.detail).unwrap();
        assert_eq!((clip.name.as_str(), &clip.content[..]), ("b", &[7; 20_000][..]));
    }

    /// A body that sends a large first part, then a kilobyte every 5 ms.
    struct Dripping(bool, Pin<Box<tokio::time::Sleep>>);

    impl HttpBody for Dripping {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            std::task::ready!(self.1.as_mut().poll(context));
            self.1 = Box::pin(tokio::time::sleep(Duration::from_millis(5)));
            let size = if std::mem::replace(&mut self.0, false) { MAX_CLIP - 1_000_000 } else { 1000 };
            Poll::Ready(Some(Ok(hyper::body::Frame::data(vec![0; size].into()))))
        }
    }

    #[tokio::test]
    async fn whoever_sends_much_and_then_hardly_anything_gives_its_room_back_soon() {
        let pace = Duration::from_millis(300);
        let uploads = Uploads { pace, ..Uploads::new(Duration::from_secs(10)) };
        let drip = || {
            let body = Dripping(true, Box::pin(tokio::time::sleep(Duration::ZERO)));
            uploads.clip(Request::new(Body::new(body)))
        };
        let other = async {
            tokio::time::sleep(pace / 3).await;
            whole(&uploads, MAX_CLIP).await.map_err(|problem| problem.detail).unwrap();
        };
        let begin = Instant::now();
        let (a, b, c, ()) = tokio::join!(drip(), drip(), drip(), other);
        for held in [a, b, c] {
            assert_eq!(held.err().map(|problem| problem.code), Some("timeout"));
        }
        assert!(begin.elapsed() < 10 * pace, "{:?}", begin.elapsed());
    }

    #[test]
    fn a_body_has_no_more_room_than_it_says_it_needs() {
        let mut content = Vec::new();
        (0..100).for_each(|_| append(&mut content, &[0; 1000], 100_000));
        assert_eq!((content.len(), content.capacity()), (100_000, 100_000));
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_form_is_said_in_plain_words() {
        let uploads = Uploads::new(Duration::from_secs(1));
        for (kind, body, expected) in [
            (
                "multipart/form-data",
                "",
                "request: Content-Type must name the boundary of the form's parts, got none",
            ),
            (
                "multipart/form-data; boundary=x",
                "--x\r\nContent-",
                "form: content must end with the boundary that Content-Type names, got another end",
            ),
            (
                "multipart/form-data; boundary=x",
                "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--\r\n",
                "form: parts must hold a file, got none",
            ),
        ] {
            let request = Request::builder().header("Content-Type", kind).body(Body::from(body)).unwrap();
            assert_eq!(
                uploads.clip(request).await.err().map(|problem| problem.detail).as_deref(),
                Some(expected)
            );
        }
    }
}
