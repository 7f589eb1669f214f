//! The directory of a partition, as Hive and all Delta writers name it.
//!
//! Two encodings must not be mixed up: the directory holds the value escaped as here, and the log holds the path of
//! the file percent-encoded once more (`a/b` lies in `p=a%2Fb`, which the log calls `p=a%252Fb`). The second is done
//! by `Add` when it is serialised.

use std::fmt::Write;

/// The name of a null in a directory.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";
/// Bytes of a directory's name that every file system takes.
const NAME_BYTES_MAX: usize = 255;
/// Bytes of all directories together: object keys end at 1024, and the table's own path and the file's name come on
/// top.
const PATH_BYTES_MAX: usize = 512;

/// The directory below the table's root for columns with these values, without a slash at its end. Empty, hence the
/// root, if a name would be too long: directories are a custom, what counts is the log.
pub(in super::super) fn directory<'a>(values: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> String {
    let mut path = String::new();
    for (column, value) in values {
        if !path.is_empty() {
            path.push('/');
        }
        let start = path.len();
        escape(column, &mut path);
        path.push('=');
        escape(value.unwrap_or(NULL), &mut path);
        if path.len() - start > NAME_BYTES_MAX || path.len() > PATH_BYTES_MAX {
            return String::new();
        }
    }
    path
}

/// As Hive's `FileUtils.escapePathName`.
fn escape(text: &str, path: &mut String) {
    for c in text.chars() {
        match c {
            '\0'..='\x1F'
            | '\x7F'
            | '"'
            | '#'
            | '%'
            | '\''
            | '*'
            | '/'
            | ':'
            | '='
            | '?'
            | '\\'
            | '{'
            | '['
            | ']'
            | '^' => {
                write!(path, "%{:02X}", c as u32).expect("writing to a String cannot fail");
            }
            _ => path.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_as_hive_does() {
        let cases = [
            ("a b", "p=a b"),
            ("a/b", "p=a%2Fb"),
            ("a=b", "p=a%3Db"),
            ("100%25", "p=100%2525"),
            ("a{b}c", "p=a%7Bb}c"),
            ("\"'", "p=%22%27"),
            ("München 日本", "p=München 日本"),
            ("..", "p=.."),
            ("\n\0", "p=%0A%00"),
        ];
        for (value, name) in cases {
            assert_eq!(directory([("p", Some(value))]), name);
        }
    }

    #[test]
    fn columns_follow_each_other_and_null_has_a_name() {
        assert_eq!(directory([("a:b", Some("1")), ("c", None)]), "a%3Ab=1/c=__HIVE_DEFAULT_PARTITION__");
    }

    #[test]
    fn what_a_file_system_would_refuse_goes_to_the_root() {
        assert_eq!(directory([("p", Some("x".repeat(254).as_str()))]), "");
        assert_eq!(directory([("p", Some("x".repeat(253).as_str()))]).len(), 255);
        let long = "x".repeat(200);
        assert_eq!(directory(["a", "b", "c"].map(|column| (column, Some(long.as_str())))), "");
    }
}
