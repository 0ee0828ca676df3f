//! Which known name an unknown one is a misspelling of.
//!
//! A suggestion is made only for a slip of the keyboard: letter case, separators, transposed,
//! missing, extra or single wrong letters, a singular for a plural, `create` for `created`. Another
//! word is never a slip, however near it is: `imported` is no misspelling of `exported`, `api` none
//! of `app`, and of two known names that are equally near neither is suggested.

/// The edit distance between a written name and a known one, if the one may be meant to be the other.
pub(crate) fn distance(written: &str, known: &str) -> Option<usize> {
    let (written, known) = (written.to_ascii_lowercase(), known.to_ascii_lowercase());
    let distance = strsim::osa_distance(&written, &known);
    (distance <= 1.max(known.len() / 3)).then_some(distance)
}

/// The maximum length of a name that is compared, in bytes.
pub(crate) const MAX_NAME: usize = 128;

/// The known name of which `written` is a misspelling, if there is exactly one that is nearest.
pub(crate) fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if written.is_empty() || written.len() > MAX_NAME {
        return None;
    }
    let written = written.to_ascii_lowercase();
    unique(known.filter_map(|known| Some((slip(&written, &known.to_ascii_lowercase())?, known))))
}

/// The value with the least figure, if no other one has it.
pub(crate) fn unique<T: PartialEq + Copy>(found: impl Iterator<Item = (usize, T)>) -> Option<T> {
    let mut best: Option<(usize, T)> = None;
    let mut tied = false;
    for (figure, value) in found {
        match best {
            Some((least, held)) if figure == least => tied |= held != value,
            Some((least, _)) if figure > least => {}
            _ => (best, tied) = (Some((figure, value)), false),
        }
    }
    best.filter(|_| !tied).map(|(_, value)| value)
}

/// How many letters are wrong in a word that was likely meant to be `known`; both in lower case.
pub(crate) fn slip(written: &str, known: &str) -> Option<usize> {
    if written == known || bare(written) == bare(known) && !bare(known).is_empty() {
        return Some(0);
    }
    let digits = |word: &str| word.chars().filter(char::is_ascii_digit).collect::<String>();
    let length = known.chars().count();
    if length < 3 || digits(written) != digits(known) {
        return None;
    }
    let is_ending = |longer: &str, shorter: &str, endings: &[&str]| {
        longer.strip_prefix(shorter).is_some_and(|ending| endings.contains(&ending))
    };
    if written.len() > 2 && is_ending(known, written, &["s", "d", "ed"])
        || is_ending(written, known, &["s"])
    {
        return Some(1);
    }
    let (one, other): (Vec<_>, Vec<_>) = (written.chars().collect(), known.chars().collect());
    let wrong = one.iter().zip(&other).filter(|(a, b)| a != b).count();
    let same_length = one.len() == other.len();
    let starts_alike = one.first() == other.first();
    match strsim::osa_distance(written, known) {
        // Neighbours that changed places, be they the first two.
        1 if same_length && wrong == 2 => Some(1),
        1 if !starts_alike => None,
        // Three letters with one exchanged are another word, as `api` and `app`.
        1 => (length > 3 || !same_length).then_some(1),
        // Two exchanged letters are another word, as `expected` and `exported`.
        2 if length >= 8 && starts_alike && !(same_length && wrong == 2) => Some(2),
        _ => None,
    }
}

/// The letters and digits of a word.
pub(crate) fn bare(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn suggests_for_slips_and_not_for_other_words() {
        let verbs = ["created", "deleted", "exported", "published", "updated", "failed", "app"];
        let nearest = |written| nearest(written, verbs.into_iter());
        for (written, known) in [
            ("Created", "created"),
            ("craeted", "created"),
            ("rceated", "created"),
            ("creatd", "created"),
            ("createed", "created"),
            ("crested", "created"),
            ("create", "created"),
            ("publish", "published"),
            ("publsihd", "published"),
            ("apps", "app"),
            ("ap", "app"),
            ("app_", "app"),
        ] {
            assert_eq!(nearest(written), Some(known), "{written}");
        }
        for written in [
            "opened",
            "imported",
            "unpublished",
            "expected",
            "uploaded",
            "recreated",
            "started",
            "mailed",
            "api",
            "map",
            "created2",
            "",
            "c",
        ] {
            assert_eq!(nearest(written), None, "{written}");
        }
    }

    #[test]
    fn suggests_nothing_between_two_that_are_equally_near() {
        assert_eq!(nearest("nane", ["name", "nine"].into_iter()), None);
        assert_eq!(nearest("nmae", ["name", "nine"].into_iter()), Some("name"));
    }
}
