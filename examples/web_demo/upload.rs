//! What a request carries: read within a limit, within a time, and within the memory that all uploads share.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header;
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::pace::{PACE, Pace};
use crate::problem::Problem;
use crate::room::{Room, Share};

/// The most bytes of a clip.
pub(crate) const MAX_CLIP: usize = 20_000_000;
/// The most bytes of a request in JSON.
pub(crate) const MAX_JSON: usize = 64 * 1024;
/// What stands around the file in a form.
const AROUND: usize = 10_000;
/// The time that a request may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(30);
/// The number of largest uploads that have room at the same time, one of them in the reserve; of largest forms, two.
const LARGEST_AT_ONCE: usize = 3;
/// The copies of a form that memory holds while its file is extracted.
const FORM_COPIES: usize = 2;

/// The memory that uploads share. Room for bytes is taken as they arrive: who declares much and sends little holds little.
pub(crate) struct Uploads {
    room: Room,
    patience: Duration,
    pace: Duration,
}

/// A clip, with the room that it takes.
pub(crate) struct Upload {
    /// What errors call it.
    pub(crate) name: String,
    pub(crate) content: Bytes,
    _share: Share,
}

impl Uploads {
    /// `patience` is the longest time that a body waits for room.
    pub(crate) fn new(patience: Duration) -> Self {
        let largest = MAX_CLIP + AROUND;
        let room = Room::new((LARGEST_AT_ONCE - 1) * largest, FORM_COPIES * largest);
        Self { room, patience, pace: PACE }
    }

    /// The clip that a request carries, as it is or as the first file of a form.
    pub(crate) async fn clip(&self, request: Request) -> Result<Upload, Problem> {
        let mut share = self.room.share();
        let clip = timeout(ARRIVAL, self.read(request, &mut share)).await;
        let (name, content) = clip.map_err(|_| Problem::slow())??;
        Ok(Upload { name, content, _share: share })
    }

    /// Name and content of the file that a request carries.
    async fn read(&self, request: Request, share: &mut Share) -> Result<(String, Bytes), Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_form = kind.is_some_and(|kind| kind.starts_with("multipart/form-data"));
        let (head, body) = request.into_parts();
        let copies = if is_form { FORM_COPIES } else { 1 };
        let memory = Some(Memory { share, patience: self.patience, copies });
        if !is_form {
            return Ok(("the clip".to_string(), content_of(body, MAX_CLIP, self.pace, memory).await?));
        }
        let body = content_of(body, MAX_CLIP + AROUND, self.pace, memory).await?;
        file_of(Request::from_parts(head, Body::from(body))).await
    }
}

/// Name and content of the first file of a form.
async fn file_of(form: Request) -> Result<(String, Bytes), Problem> {
    let broken =
        |_| Problem::invalid("the form must end with the boundary that Content-Type names, it is broken");
    let mut parts = Multipart::from_request(form, &())
        .await
        .map_err(|_| Problem::invalid("Content-Type must name the boundary of the form's parts, got none"))?;
    while let Some(part) = parts.next_field().await.map_err(broken)? {
        if let Some(name) = part.file_name().map(ToString::to_string) {
            return Ok((name, part.bytes().await.map_err(broken)?));
        }
    }
    Err(Problem::invalid("the form must hold a file, got none"))
}

/// A body in JSON, as it is.
pub(crate) async fn json(request: Request) -> Result<Bytes, Problem> {
    timeout(ARRIVAL, content_of(request.into_body(), MAX_JSON, PACE, None))
        .await
        .map_err(|_| Problem::slow())?
}

/// The room that a body takes.
struct Memory<'a> {
    share: &'a mut Share,
    /// The longest time to wait for room.
    patience: Duration,
    /// The number of copies of the body that memory will hold.
    copies: usize,
}

/// A body of `limit` bytes at most, for which room is taken as it arrives. Of what is larger five times the limit is read but not kept:
/// a caller who still sends when the connection is closed never sees why.
async fn content_of(
    mut body: Body,
    limit: usize,
    pace: Duration,
    mut memory: Option<Memory<'_>>,
) -> Result<Bytes, Problem> {
    let declared = body.size_hint().exact().map_or(limit, |bytes| bytes.min(limit as u64) as usize);
    let (mut content, mut read) = (Vec::new(), 0_usize);
    let mut pace = Pace::new(pace);
    while let Some(frame) = pace.keep(body.frame()).await? {
        let broken = |_| Problem::invalid("the body must arrive whole, it broke off");
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        pace.note(read, data.len());
        read += data.len();
        if read > limit {
            content = Vec::new();
            if let Some(memory) = &mut memory {
                memory.share.give_back();
            }
            if read > 5 * limit {
                break;
            }
            continue;
        }
        if let Some(Memory { share, patience, copies }) = &mut memory {
            let grown = timeout(*patience, share.grow(*copies * data.len())).await;
            grown.map_err(|_| Problem::busy(*patience))?;
        }
        append(&mut content, &data, declared);
    }
    if read > limit { Err(Problem::too_large(limit)) } else { Ok(content.into()) }
}

/// Appends bytes. When the capacity is used up it doubles, but to at most `end` bytes unless more are needed.
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

    /// A body that begins and never ends.
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

    #[tokio::test]
    async fn a_form_takes_room_for_its_file_too() {
        let uploads = Uploads::new(Duration::from_millis(50));
        let form = || {
            let head = "--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b\"\r\n\r\n";
            let body = [head.as_bytes(), &vec![0; MAX_CLIP], b"\r\n--x--\r\n"].concat();
            let kind = "multipart/form-data; boundary=x";
            let mut form = Request::builder().header("Content-Type", kind).body(Body::from(body)).unwrap();
            // As the router does.
            DefaultBodyLimit::disable().apply(&mut form);
            uploads.clip(form)
        };
        let first = form().await.map_err(|problem| problem.detail).unwrap();
        assert_eq!((first.name.as_str(), first.content.len()), ("b", MAX_CLIP));
        // The second takes the reserve; there is no room for a third.
        let second = form().await;
        assert!(second.is_ok());
        assert_eq!(form().await.err().map(|problem| problem.code), Some("busy"));
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
            ("multipart/form-data", "", "Content-Type must name the boundary of the form's parts, got none"),
            (
                "multipart/form-data; boundary=x",
                "--x\r\nContent-",
                "the form must end with the boundary that Content-Type names, it is broken",
            ),
            (
                "multipart/form-data; boundary=x",
                "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--\r\n",
                "the form must hold a file, got none",
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
