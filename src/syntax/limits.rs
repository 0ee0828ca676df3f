//! The limits that the parser checks while it reads.
//!
//! # What each limit bounds
//!
//! - *Bytes* bound everything else, since each node, escape and message is a part of the text. The
//!   length is checked before anything is read. With a ceiling of 16 MiB, every offset fits in the
//!   32 bits of a [`Span`](crate::diagnostic::Span).
//! - *Depth* bounds how far nodes move while the tree is built, and how deep code that walks a tree
//!   may recurse. The parser itself does not recurse.
//! - *Terms* bound what a filter costs afterwards: its index entries, and the work of its analysis.
//!   A text of the maximum length could have thousands of terms such as `a pr`.
//!
//! The limits are those of one text. How many filters a tenant may have is limited elsewhere.
//!
//! A ceiling lowers a larger value and does not refuse it, so that `usize::MAX` reads as "as much
//! as possible", and none of the setters can fail.

/// The maximum size of a filter in bytes, depth and terms.
///
/// The defaults are 32,768 bytes, depth 64 and 512 terms. Each limit has a ceiling, and a larger
/// value is lowered to it. The ceiling of the depth allows walking every parsed tree recursively on
/// a small stack.
///
/// ```
/// use hooksieve::syntax::{Expr, Limits};
///
/// let strict = Limits::default().with_terms(2);
/// let error = Expr::parse_within("a pr or b pr or c pr", strict).unwrap_err();
/// assert_eq!(error.code(), "filter-too-many-terms");
/// assert_eq!(Limits::default().with_depth(usize::MAX).depth(), Limits::MAX_DEPTH);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    bytes: usize,
    depth: usize,
    terms: usize,
}

impl Limits {
    /// The ceiling of the length in bytes.
    pub const MAX_BYTES: usize = 16 << 20;
    /// The ceiling of the depth.
    ///
    /// At this depth, a recursive walk over a tree fits in 128 KiB of stack.
    pub const MAX_DEPTH: usize = 128;
    /// The ceiling of the number of terms.
    pub const MAX_TERMS: usize = 1 << 18;

    /// Sets the maximum length in bytes.
    #[must_use]
    pub fn with_bytes(self, bytes: usize) -> Self {
        Self { bytes: bytes.min(Self::MAX_BYTES), ..self }
    }

    /// Sets the maximum depth: how many round and square brackets may be open at once.
    #[must_use]
    pub fn with_depth(self, depth: usize) -> Self {
        Self { depth: depth.min(Self::MAX_DEPTH), ..self }
    }

    /// Sets the maximum number of terms, which are comparisons and presence tests.
    #[must_use]
    pub fn with_terms(self, terms: usize) -> Self {
        Self { terms: terms.min(Self::MAX_TERMS), ..self }
    }

    /// Returns the maximum length in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the maximum number of brackets that may be open at once.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Returns the maximum number of comparisons and presence tests.
    #[must_use]
    pub fn terms(&self) -> usize {
        self.terms
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 32_768, depth: 64, terms: 512 }
    }
}
