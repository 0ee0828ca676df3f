/// How large a filter may be; see the [module](super) for what is bounded by it.
///
/// Defaults: 32,768 bytes, depth 64, 512 terms. Each has a ceiling; a value above it is lowered
/// to it, so a tree that parsed is safe to walk on a small stack whatever limits were asked for.
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
    /// Ceiling of the length in bytes.
    pub const MAX_BYTES: usize = 16 << 20;
    /// Ceiling of the depth: chosen so that a recursive walk over a tree survives a stack of 128 KiB.
    pub const MAX_DEPTH: usize = 128;
    /// Ceiling of the number of terms.
    pub const MAX_TERMS: usize = 1 << 18;

    /// The same limits with another length in bytes.
    #[must_use]
    pub fn with_bytes(self, bytes: usize) -> Self {
        Self { bytes: bytes.min(Self::MAX_BYTES), ..self }
    }

    /// The same limits with another depth: how many round and square brackets may be open at once.
    #[must_use]
    pub fn with_depth(self, depth: usize) -> Self {
        Self { depth: depth.min(Self::MAX_DEPTH), ..self }
    }

    /// The same limits with another number of terms: comparisons and presence tests.
    #[must_use]
    pub fn with_terms(self, terms: usize) -> Self {
        Self { terms: terms.min(Self::MAX_TERMS), ..self }
    }

    /// Most bytes a text may have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Most brackets that may be open at once.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Most comparisons and presence tests.
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
