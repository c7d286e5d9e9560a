//! Manual pages are well-formed for those who render them.

use std::fs;
use std::process::Command;

#[test]
fn manual_pages_are_manual_pages() {
    let Some(dist) = super::dist() else { return };
    if !super::has_tool("mandoc") {
        return;
    }
    let pages = fs::read_dir(dist.join("share/man/man1")).unwrap();
    let pages: Vec<_> = pages.map(|page| page.unwrap().path()).collect();
    assert!(
        pages.iter().any(|page| page.ends_with("socketd-serve.1")),
        "{pages:?}"
    );
    let mut lint = Command::new("mandoc");
    let output = lint
        .args(["-Tlint", "-W", "error"])
        .args(&pages)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}");
}
