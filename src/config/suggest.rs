//! The nearest thing that could have been meant.

/// The candidate that `word` is most likely a slip for.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.to_lowercase()), candidate))
        // A third of the letters may be wrong: more is another word.
        .filter(|(distance, candidate)| {
            *distance <= candidate.chars().count().max(word.chars().count()).div_ceil(3).min(3)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `"a", "b" or "c"`, as TOML would write them without the quotes.
pub(crate) fn quoted<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}
