use super::*;

fn rule(text: &str) -> String {
    scan(text).err().map(|i| format!("{}@{}", i.rule, i.path)).unwrap_or_default()
}

#[test]
fn accepts_what_json_allows() {
    for text in [
        "0",
        "-1",
        "\"\\ud83d\\ude00\"",
        " [ 1 , [ ] , { } ] ",
        "{\"a\":{\"b\":[true,false,null]}}",
        "9007199254740991",
    ] {
        assert_eq!(rule(text), "", "{text}");
    }
}

#[test]
fn refuses_what_is_not_json() {
    for text in [
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "'a'",
        "01",
        "+1",
        "tru",
        "1 2",
        "[1}",
        "\"\t\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "nul",
        "-",
        "1.",
        "1e",
        "1.e3",
    ] {
        assert!(rule(text).starts_with("json@"), "{text}: {}", rule(text));
    }
}

#[test]
fn refuses_numbers_that_are_not_safe_integers() {
    for text in ["1.0", "1e3", "1E3", "-0", "9007199254740992", "-9007199254740992", "99999999999999999999999"] {
        assert_eq!(rule(&format!("{{\"a\":[0,{text}]}}")), "number@a[1]");
    }
}

#[test]
fn refuses_a_key_that_appears_twice_however_it_is_escaped() {
    assert_eq!(rule(r#"{"p":{"a":1,"\u0061":2}}"#), "duplicate-key@p.a");
    assert_eq!(rule(r#"[{"a":1},{"a":1}]"#), "");
}

#[test]
fn refuses_keys_that_reach_prototypes() {
    assert_eq!(rule(r#"{"env":{"__proto__":1}}"#), "forbidden-key@env.__proto__");
    assert_eq!(rule(r#"{"\u005f_proto__":1}"#), "forbidden-key@__proto__");
}

#[test]
fn refuses_lone_surrogates() {
    for text in [r#""\ud800""#, r#""\udc00""#, r#""\ud800\u0041""#, r#""\ud800x""#] {
        assert!(rule(text).starts_with("encoding@"), "{text}");
    }
}

#[test]
fn takes_32_levels_and_not_33() {
    let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
    assert_eq!(rule(&nested(MAX_DEPTH)), "");
    assert!(rule(&nested(MAX_DEPTH + 1)).starts_with("depth@"));
    assert!(rule(&"[".repeat(1_000_000)).starts_with("depth@"));
}
