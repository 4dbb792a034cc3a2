//! The fuzz targets of the stream decoder, fed from a generator: bytes of any kind, and lines that look like a server's.

#[path = "../fuzz/targets.rs"]
#[expect(unreachable_pub, reason = "shared with the crate of fuzz targets")]
mod targets;

use proptest::prelude::*;

/// Inputs that failed once, or that lie where an input could fail.
const FOUND: &[&[u8]] = &[
    b"",
    b"\n\n\n",
    b"U,1,1,",
    b"U,1,1,^18446744073709551616",
    b"U,1,1,a|^T|^P\nU,1,1,^PeeeeZZZZZZZZZZZZZ|^TA%",
    b"U,1,1,a|b|c\nU,1,1,^Taaz|^T|^P[{\"op\":\"add\",\"path\":\"/\",\"value\":1}]",
    b"CONOK,S1,50000,5000,*\nSUBOK,1,2,2\nU,1,1,1|2\n!cut\n!connected\nCONOK,S1,50000,5000,*\nPROG,18446744073709551615\nU,1,1,3|4",
    b"CONOK,S1,0,0,*\nLOOP,0\nLOOP,0\nEND,48,x\n!tick\n!connected\nCONERR,1,no",
    b"CONOK,,,,\nSUBOK,1,0,0\nSUBOK,1,99999999999,99999999999\nU,1,99999999999,x",
];

#[test]
fn what_failed_once_does_not_fail_again() {
    for bytes in FOUND {
        targets::values(bytes);
        targets::session(bytes);
    }
}

/// A line as a server could say it, right or not quite.
fn line() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        Just(String::new()),
        (0u64..4).prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string())
    ];
    let value = prop_oneof![
        Just(String::new()),
        "[#$a-z0-9.]{0,6}",
        "%[0-9a-fA-F]{0,3}",
        "\\^[0-9]{1,20}",
        "\\^T[A-Za-z%]{0,12}",
        "\\^P.{0,24}",
    ];
    let values = prop::collection::vec(value, 0..5).prop_map(|values| values.join("|"));
    prop_oneof![
        4 => (number.clone(), number.clone(), values).prop_map(|(sub, item, values)| format!("U,{sub},{item},{values}")),
        1 => (number.clone(), number.clone(), number.clone()).prop_map(|(a, b, c)| format!("SUBOK,{a},{b},{c}")),
        1 => (number.clone(), number.clone()).prop_map(|(a, b)| format!("CONOK,S{a},50000,{b},*")),
        1 => ("(PROG|LOOP|SYNC|UNSUB|REQOK|CONF|EOS|CS|OV|SUBCMD)", number.clone(), number.clone())
            .prop_map(|(tag, a, b)| format!("{tag},{a},{b}")),
        1 => ("(CONERR|END|ERROR)", number.clone()).prop_map(|(tag, code)| format!("{tag},{code},why")),
        1 => ("(REQERR)", number.clone(), number).prop_map(|(tag, request, code)| format!("{tag},{request},{code},why")),
        3 => prop_oneof![Just("!cut"), Just("!connected"), Just("!tick"), Just("PROBE"), Just("WSOK")].prop_map(str::to_owned),
        1 => ".{0,40}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        targets::values(&bytes);
        targets::session(&bytes);
    }

    #[test]
    fn any_lines_are_survived(lines in prop::collection::vec(line(), 0..40)) {
        let text = lines.join("\n");
        targets::values(text.as_bytes());
        targets::session(text.as_bytes());
    }
}
