//! A container's environment file.

use super::limits::{ENV_BYTES_MAX, VARIABLES_MAX};
use super::line::trim;

/// The variables, as `NAME=value`, in order. Lines that are none are left out, comments among them; values
/// are taken as they are, quotes included. Bytes that are not UTF-8 are replaced.
pub(in crate::runtime::droidspaces) fn parse(bytes: &[u8]) -> Vec<String> {
    bytes
        .get(..ENV_BYTES_MAX)
        .unwrap_or(bytes)
        .split(|&byte| byte == b'\n')
        .filter_map(variable)
        .take(VARIABLES_MAX)
        .collect()
}

fn variable(line: &[u8]) -> Option<String> {
    let line = trim(line.split(|&byte| byte == 0).next()?);
    if line.starts_with(b"#") {
        return None;
    }
    let line = match line.strip_prefix(b"export") {
        Some(rest) if rest.starts_with(b" ") || rest.starts_with(b"\t") => trim(rest),
        _ => line,
    };
    let at = line.iter().position(|&byte| byte == b'=')?;
    let (name, value) = (trim(line.get(..at)?), line.get(at + 1..)?);
    let shown = |part| String::from_utf8_lossy(part);
    (!name.is_empty()).then(|| format!("{}={}", shown(name), shown(trim(value))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables() {
        fn check(text: &[u8], expected: &[&str]) {
            assert_eq!(parse(text), expected, "{}", text.escape_ascii());
        }
        check(b"", &[]);
        check(b"A=b\nC=d", &["A=b", "C=d"]);
        check(b"A=b\r\n", &["A=b"]);
        check(b"  A = b c  \n", &["A=b c"]);
        check(b"# A=b\n  #C=d\n", &[]);
        check(
            b"export A=b\nexport\tC=d\nexportE=f\nexport=g\n",
            &["A=b", "C=d", "exportE=f", "export=g"],
        );
        check(b"A=\n=b\n=\nno sign\nexport \nexport =x\n", &["A="]);
        check(b"A=b=c\nA=d\n", &["A=b=c", "A=d"]);
        check(b"A=\"b # c\"\n", &["A=\"b # c\""]);
        check(b"A=\xff\n", &["A=\u{fffd}"]);
        check(b"A=b\0c\n\0B=c", &["A=b"]);
    }

    #[test]
    fn bounds() {
        assert_eq!(parse(&b"A=b\n".repeat(VARIABLES_MAX + 1)).len(), VARIABLES_MAX);
        let long = [b"A=".as_slice(), &vec![b'x'; 2 * ENV_BYTES_MAX]].concat();
        assert_eq!(parse(&long)[0].len(), ENV_BYTES_MAX);
    }
}
