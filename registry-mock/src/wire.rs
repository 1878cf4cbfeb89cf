//! Response bodies that take their time, and connections that crawl or break.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Sleep, sleep};

/// A response's body: all there, or sent piece by piece by a task of its own.
pub enum Body {
    Whole(Bytes),
    Pieces(mpsc::Receiver<Bytes>),
}

/// Where the task behind [`Body::Pieces`] puts its pieces; an error means nobody reads any more.
pub type Pieces = mpsc::Sender<Bytes>;

impl Body {
    pub fn empty() -> Self {
        Self::Whole(Bytes::new())
    }

    /// A body that `feed` sends.
    pub fn fed<F>(feed: impl FnOnce(Pieces) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(feed(sender));
        Self::Pieces(receiver)
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let piece = match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => None,
            Self::Whole(bytes) => Some(std::mem::take(bytes)),
            Self::Pieces(receiver) => ready!(receiver.poll_recv(cx)),
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}

/// A hand on one connection, for the faults that are about connections.
#[derive(Debug, Default)]
pub struct Control {
    broken: Notify,
    with_reset: AtomicBool,
    slow_bytes: AtomicU64,
    pause_micros: AtomicU64,
}

impl Control {
    /// Closes the connection: orderly, but without whatever was still to be sent.
    pub fn close(&self) {
        self.broken.notify_one();
    }

    /// Resets the connection.
    pub fn reset(&self) {
        self.with_reset.store(true, Ordering::Relaxed);
        self.close();
    }

    /// Makes the next `bytes` bytes leave one by one, `pause` apart.
    pub fn crawl(&self, bytes: u64, pause: Duration) {
        let micros = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
        self.pause_micros.store(micros, Ordering::Relaxed);
        self.slow_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Comes back once the connection is to be dropped.
    pub async fn broken(&self) {
        self.broken.notified().await;
    }
}

/// A TCP connection that obeys its [`Control`].
pub struct Wire {
    stream: TcpStream,
    control: Arc<Control>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    pub fn new(stream: TcpStream, control: Arc<Control>) -> Self {
        Self {
            stream,
            control,
            pause: None,
        }
    }

    /// Ready with whether this write may be only one byte long.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        Poll::Ready(self.control.slow_bytes.load(Ordering::Relaxed) > 0)
    }

    fn poll_one_byte(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(first) = bytes.get(..1) else {
            return Poll::Ready(Ok(0));
        };
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, first))?;
        self.control.slow_bytes.fetch_sub(1, Ordering::Relaxed);
        let micros = self.control.pause_micros.load(Ordering::Relaxed);
        self.pause = Some(Box::pin(sleep(Duration::from_micros(micros))));
        Poll::Ready(Ok(written))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.control.with_reset.load(Ordering::Relaxed) {
            // Where the system refuses, the client sees an orderly close, which is a fault as well.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        if ready!(wire.poll_turn(cx)) {
            return wire.poll_one_byte(cx, bytes);
        }
        Pin::new(&mut wire.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        if ready!(wire.poll_turn(cx)) {
            let first = buffers.iter().find(|buffer| !buffer.is_empty());
            return wire.poll_one_byte(cx, first.map_or(&[], |buffer| buffer));
        }
        Pin::new(&mut wire.stream).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
