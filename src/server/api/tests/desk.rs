//! A dispatcher that only keeps what it is given.

use crate::server::service::outlet::{Outlet, Place};
use crate::server::store::contract::outbox::Message;
use hooksieve::event::TenantId;
use hooksieve::webhook::WebhookId;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// The desk of a dispatcher. Clones share state.
#[derive(Clone, Default)]
pub(super) struct Desk(Arc<Content>);

#[derive(Default)]
pub(super) struct Content {
    /// The number of messages that may still be handed over.
    pub(super) room: AtomicUsize,
    /// The messages that were handed over.
    pub(super) handed: Mutex<Vec<Message>>,
    /// How often it was woken.
    pub(super) woken: AtomicUsize,
}

impl std::ops::Deref for Desk {
    type Target = Content;

    fn deref(&self) -> &Content {
        &self.0
    }
}

struct Reserved(Desk, bool);

impl Place for Reserved {
    fn hand_over(mut self: Box<Self>, message: Message) {
        self.1 = true;
        self.0.handed.lock().unwrap().push(message);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if !self.1 {
            self.0.room.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Outlet for Desk {
    fn reserve(&self, _: &TenantId, _: &WebhookId, _: usize) -> Option<Box<dyn Place>> {
        let take = |room: usize| room.checked_sub(1);
        let taken = self.room.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
        taken.ok().map(|_| Box::new(Reserved(self.clone(), false)) as Box<dyn Place>)
    }

    fn wake(&self) {
        self.woken.fetch_add(1, Ordering::SeqCst);
    }

    fn changed(&self, _: &TenantId, _: &WebhookId) {}

    fn recorded(&self, _: &TenantId, _: &WebhookId, _: bool) {}
}
