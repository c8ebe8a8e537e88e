//! Where a mistake is said to stand.
use gameday_config::parse;

fn place(text: &str) -> (usize, usize, String) {
    let errors = parse("gameday.toml", text).expect_err("there is a mistake");
    let p = &errors.problems[0];
    (p.line, p.column, errors.render(false, 100))
}

#[test]
fn columns_count_characters() {
    for (before, column) in [("", 18), ("\u{feff}", 18)] {
        let (line, seen, shown) = place(&format!("{before}name = \"billing\" x\n"));
        assert_eq!((line, seen), (1, column), "{shown}");
        assert!(shown.contains("gameday.toml:1:18"), "{shown}");
    }
    // Two, three and four bytes a character.
    for text in ["équipe", "팀이름팀이름", "🚀🚀🚀🚀🚀🚀"] {
        let (_, _, shown) = place(&format!("name = \"{text}\"\n\n[service.api]\nsource = \"https://a/{text}\" x\n"));
        let column = "source = \"https://a/".chars().count() + text.chars().count() + 3;
        assert!(shown.contains(&format!("gameday.toml:4:{column}")), "{column}\n{shown}");
    }
}

#[test]
fn what_cannot_be_seen_is_named() {
    for (character, name) in [
        ("\u{a0}", "U+00A0, no-break space"),
        ("\u{200b}", "U+200B, zero-width space"),
        ("\u{202f}", "U+202F, narrow no-break space"),
        ("\u{3000}", "U+3000, ideographic space"),
        ("\u{feff}", "U+FEFF, byte order mark"),
        ("\u{200e}", "U+200E, mark of the writing direction"),
    ] {
        for line in [
            format!("name{character}= \"billing\""),
            format!("{character}name = \"billing\""),
            format!("zones ={character}[]"),
        ] {
            let (_, _, shown) = place(&format!("region = \"us-east-1\"\n{line}\n"));
            assert!(shown.contains(name), "{line:?}\n{shown}");
        }
    }
    // In a text it is the text's own.
    let (_, _, shown) = place("name = \"a\u{a0}b\"\n= 1\n");
    assert!(!shown.contains("an invisible character: "), "{shown}");
}
