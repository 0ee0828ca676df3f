//! A macro for kinds of errors, which keeps each kind and its stable code on one line.
//!
//! One line for a kind, its code and its meaning keeps the three together: a kind without a code
//! does not compile, and the list of all codes cannot lack one.

/// Defines an enum of kinds, each with a stable code, and a list of all of them.
macro_rules! kinds {
    (
        $(#[doc = $doc:literal])+
        $vis:vis $name:ident {
            $($(#[doc = $kdoc:literal])+ $kind:ident = $code:literal,)+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        $vis enum $name {
            $($(#[doc = $kdoc])+ $kind,)+
        }

        impl $name {
            /// All kinds.
            $vis const ALL: &'static [Self] = &[$(Self::$kind,)+];

            /// Returns the kind's stable code.
            #[must_use]
            $vis fn code(self) -> &'static str {
                // Without a wildcard, so that each kind has exactly the code on its line.
                match self {
                    $(Self::$kind => $code,)+
                }
            }
        }
    };
}

pub(crate) use kinds;
