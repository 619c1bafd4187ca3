//! Limits the memory that requests use together, counted in bytes.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A limit of the bytes that all requests together hold for one purpose.
///
/// Requests that take room piece by piece could deadlock: each holds some room and waits for more. To prevent this, one of them gets the
/// reserve, which has room for any whole request. That request can finish and give its room to the others.
pub(crate) struct Room {
    free: Arc<Semaphore>,
    /// One permit for the reserve. No permit if there is no reserve.
    reserve: Arc<Semaphore>,
}

/// The room that one request holds. It is given back when the share is dropped.
pub(crate) struct Share {
    free: Arc<Semaphore>,
    reserve: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
    reserved: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Creates room for `bytes` bytes, and a reserve of `largest` bytes for one request. If `largest` is 0, there is no reserve.
    pub(crate) fn new(bytes: usize, largest: usize) -> Self {
        let reserve = Semaphore::new(usize::from(largest > 0));
        Self { free: Arc::new(Semaphore::new(bytes)), reserve: Arc::new(reserve) }
    }

    /// Returns an empty share.
    pub(crate) fn share(&self) -> Share {
        Share { free: Arc::clone(&self.free), reserve: Arc::clone(&self.reserve), held: None, reserved: None }
    }
}

impl Share {
    /// Waits until there is room for `bytes` more bytes, and takes it.
    pub(crate) async fn grow(&mut self, bytes: usize) {
        if self.reserved.is_some() || self.try_grow(bytes) {
            return;
        }
        let free = Arc::clone(&self.free).acquire_many_owned(permits(bytes));
        let reserve = Arc::clone(&self.reserve).acquire_owned();
        // The semaphores are never closed.
        tokio::select! {
            biased;
            Ok(more) = free => self.keep(more),
            Ok(reserved) = reserve => self.reserved = Some(reserved),
            else => (),
        }
    }

    /// Takes room for `bytes` more bytes if it is free now. Returns whether it was.
    pub(crate) fn try_grow(&mut self, bytes: usize) -> bool {
        match Arc::clone(&self.free).try_acquire_many_owned(permits(bytes)) {
            Ok(more) => {
                self.keep(more);
                true
            }
            Err(_) => false,
        }
    }

    /// Gives all room of this share back.
    pub(crate) fn give_back(&mut self) {
        self.held = None;
        self.reserved = None;
    }

    fn keep(&mut self, more: OwnedSemaphorePermit) {
        match &mut self.held {
            Some(held) => held.merge(more),
            held => *held = Some(more),
        }
    }
}

fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// When the room is full, each share holds half of the room that it needs.
    #[tokio::test]
    async fn those_who_wait_for_each_other_come_to_their_end_one_by_one() {
        let room = Room::new(100, 50);
        let mut shares: Vec<Share> = (0..4).map(|_| room.share()).collect();
        for share in &mut shares {
            share.grow(25).await;
        }
        let all = shares.into_iter().map(|mut share| async move { share.grow(25).await });
        let all: Vec<_> = all.map(|one| tokio::spawn(timeout(Duration::from_secs(5), one))).collect();
        for one in all {
            assert!(one.await.unwrap().is_ok(), "there was room for each in the end");
        }
        let mut whole = room.share();
        assert!(whole.try_grow(100) && !room.share().try_grow(1));
        drop(whole);
        assert!(room.share().try_grow(100), "all was given back");
    }
}
