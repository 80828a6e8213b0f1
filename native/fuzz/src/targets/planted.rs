//! A planted defect: proof that what runs the targets notices a panic, and that its mutations find the way to one.

pub fn run(bytes: &[u8]) {
    let at = |place: usize, wanted: u8| bytes.get(place) == Some(&wanted);
    // Each comparison is a branch: getting one further is coverage.
    let is_planted = at(0, b'd') && at(1, b'e') && at(2, b'f') && at(3, b'!');
    assert!(!is_planted, "the planted defect");
}
