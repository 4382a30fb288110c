//! What commands print, word for word: tests/cmd holds sessions.

#[test]
fn sessions() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd");
}
