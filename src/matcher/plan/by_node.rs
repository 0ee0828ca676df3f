//! Values by node: the words of a code, and what is computed for each of its nodes.
//!
//! The nodes of a code are in prefix order, so a walk from the last to the first finds operands
//! before their groups, and a walk in order finds groups before their operands. Neither needs
//! recursion, only a list beside the code with one value for each node.
//!
//! A node is named by its index in the code. All indices come from walking the code, from its first
//! node or from [`operands`](super::operands), so they are valid in every list beside it.

use std::ops::{Deref, DerefMut, Index, IndexMut};

/// A list with a value for each node of a code.
#[derive(Clone, Copy)]
pub(super) struct ByNode<L>(pub(super) L);

#[expect(clippy::indexing_slicing, reason = "all lists by node have the length of the code")]
impl<T, L: Deref<Target = [T]>> Index<usize> for ByNode<L> {
    type Output = T;

    #[inline]
    fn index(&self, node: usize) -> &T {
        &self.0[node]
    }
}

#[expect(clippy::indexing_slicing, reason = "all lists by node have the length of the code")]
impl<T, L: DerefMut<Target = [T]>> IndexMut<usize> for ByNode<L> {
    #[inline]
    fn index_mut(&mut self, node: usize) -> &mut T {
        &mut self.0[node]
    }
}
