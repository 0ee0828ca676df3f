//! Which known name an unknown one is a misspelling of.
//!
//! A suggestion is made only for a slip of the keyboard: letter case, separators, transposed,
//! missing, extra or single wrong letters, a singular for a plural, `create` for `created`. Another
//! word is never a slip, however near it is: `imported` is no misspelling of `exported`, `api` none
//! of `app`, and where two known names are equally near there is no suggestion.

use super::KnownType;

/// The longest name that is compared, in bytes.
const LONGEST: usize = 128;

/// The known name of which `written` is a misspelling, if there is exactly one that is nearest.
pub(super) fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if written.is_empty() || written.len() > LONGEST {
        return None;
    }
    let written = written.to_ascii_lowercase();
    unique(known.filter_map(|known| Some((slip(&written, &known.to_ascii_lowercase())?, known))))
}

/// The value with the least figure, if no other one has it.
fn unique<T: PartialEq + Copy>(found: impl Iterator<Item = (usize, T)>) -> Option<T> {
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
fn slip(written: &str, known: &str) -> Option<usize> {
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
fn bare(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// What the platform's names may have between its domain and the resource.
const MARKERS: [&str; 2] = ["v1", "core"];

/// The name of an event type of which `written` is a misspelling: segment by segment, with or
/// without the domain and the marker after it.
pub(super) fn nearest_type<'a>(written: &str, types: &'a [KnownType]) -> Option<&'a str> {
    if written.is_empty() || written.len() > LONGEST {
        return None;
    }
    let written = written.to_ascii_lowercase();
    let figure = |known: &KnownType| names(known).filter_map(|name| wrong(&written, name)).min();
    let at = unique(types.iter().enumerate().filter_map(|(at, known)| Some((figure(known)?, at))))?;
    let known = types.get(at)?;
    // The newer name only where it, prefix included, is what was misspelt.
    let is_whole = |name: &&str| by_segments(&written, &name.to_ascii_lowercase()).is_some();
    Some(names(known).find(is_whole).unwrap_or(known.name()))
}

fn names(known: &KnownType) -> impl Iterator<Item = &str> {
    std::iter::once(known.name()).chain(known.newer_name())
}

/// How many letters of an event type's name are wrong, if it was likely meant to be `known`.
fn wrong(written: &str, known: &str) -> Option<usize> {
    let known = known.to_ascii_lowercase();
    let whole = by_segments(written, &known);
    let domain = domain(&known);
    let of_resource = || by_segments(resource(written, domain), resource(&known, domain));
    whole.or_else(of_resource)
}

fn by_segments(written: &str, known: &str) -> Option<usize> {
    if bare(written) == bare(known) {
        return Some(0);
    }
    if written.split('.').count() != known.split('.').count() {
        return None;
    }
    let mut wrong = (0, 0);
    for (written, known) in written.split('.').zip(known.split('.')) {
        let letters = slip(written, known)?;
        wrong = (wrong.0 + letters, wrong.1 + usize::from(letters > 0));
    }
    (wrong.1 <= 2).then_some(wrong.0)
}

/// The first two segments of a name that has more than three, such as `com.qlik`.
fn domain(known: &str) -> &str {
    let mut dots = known.match_indices('.').map(|(at, _)| at);
    let end = dots.nth(1).filter(|_| dots.next().is_some());
    end.and_then(|end| known.get(..end)).unwrap_or_default()
}

/// A name without the domain and the marker that may follow it.
fn resource<'t>(name: &'t str, domain: &str) -> &'t str {
    let within = |name: &'t str, part: &str| name.strip_prefix(part)?.strip_prefix('.');
    let name = within(name, domain).unwrap_or(name);
    MARKERS.iter().find_map(|marker| within(name, marker)).unwrap_or(name)
}

/// The known types of the resource that an unknown name speaks of, such as all of apps.
pub(super) fn related<'a>(written: &str, types: &'a [KnownType]) -> Vec<&'a str> {
    let written = written.to_ascii_lowercase();
    let mut related = Vec::new();
    for name in types.iter().map(KnownType::name) {
        let lower = name.to_ascii_lowercase();
        let domain = domain(&lower);
        let (ours, theirs) = (resource(&written, domain), resource(&lower, domain));
        let before = |name: &str| name.split_once('.').map(|(first, _)| first.to_owned());
        let is_related = before(ours).is_some() && before(ours) == before(theirs);
        if !domain.is_empty() && is_related {
            related.push(name);
        }
    }
    related
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
