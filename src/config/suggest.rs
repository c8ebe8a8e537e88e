//! Suggestions for misspelt words.

/// Returns the candidate that `word` is most likely a misspelling of.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.to_lowercase()), candidate))
        // With more than a third of wrong letters it is another word.
        .filter(|(distance, candidate)| {
            *distance <= candidate.chars().count().max(word.chars().count()).div_ceil(3).min(3)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Writes `"a", "b" or "c"`, with TOML's quotes.
pub(crate) fn quoted<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}
