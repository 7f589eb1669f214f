//! Addresses as users write them: `tcp://HOST:PORT` and `unix:///ABSOLUTE/PATH`. Knows the grammar only: whether a
//! host resolves or a path can be bound shows when it is used.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The longest path a Unix socket may have: `sun_path` holds 108 bytes, the last of which is a NUL (unix(7)).
pub const UNIX_PATH_BYTES_MAX: usize = 107;

/// Where a listener listens or a connector dials.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `tcp://HOST:PORT`. Port 0 asks the system for a free port.
    Tcp {
        /// A host name or an address; an IPv6 address without its brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// `unix:///PATH`.
    Unix {
        /// An absolute path of at most [`UNIX_PATH_BYTES_MAX`] bytes.
        path: PathBuf,
    },
    /// A listener inside this process. Printed as `memory:NAME`, never parsed: nobody else could reach it.
    Memory {
        /// Tells several apart in messages.
        name: String,
    },
}

/// Why a text is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Neither of the known schemes.
    #[error("endpoint '{text}' has no known scheme: use tcp://HOST:PORT or unix:///ABSOLUTE/PATH")]
    Scheme {
        /// What was given.
        text: String,
    },
    /// The host of a TCP endpoint is absent.
    #[error("endpoint '{text}' has no host: use tcp://127.0.0.1:PORT, or tcp://0.0.0.0:PORT for every interface")]
    NoHost {
        /// What was given.
        text: String,
    },
    /// The host holds what no host name or address can.
    #[error(
        "endpoint '{text}' has an invalid host '{host}': use a name, an IPv4 address or an IPv6 address in brackets"
    )]
    Host {
        /// What was given.
        text: String,
        /// Its host part.
        host: String,
    },
    /// The port of a TCP endpoint is absent.
    #[error("endpoint '{text}' has no port: use tcp://HOST:PORT with a port from 0 to 65535 (0 picks a free one)")]
    NoPort {
        /// What was given.
        text: String,
    },
    /// The port is no number below 65536.
    #[error("endpoint '{text}' has an invalid port '{port}': use a number from 0 to 65535 (0 picks a free one)")]
    Port {
        /// What was given.
        text: String,
        /// Its port part.
        port: String,
    },
    /// The socket path does not begin with a slash.
    #[error("endpoint '{text}' has a relative path: use unix:///ABSOLUTE/PATH")]
    RelativePath {
        /// What was given.
        text: String,
    },
    /// The socket path names a directory.
    #[error("endpoint '{text}' names a directory: add the name of the socket file, as in unix:///run/deltaport.sock")]
    Directory {
        /// What was given.
        text: String,
    },
    /// The socket path holds a NUL, where the kernel would end it.
    #[error("endpoint '{}' has a NUL byte in its path", text.escape_debug())]
    Nul {
        /// What was given.
        text: String,
    },
    /// The socket path does not fit into a socket address.
    #[error(
        "endpoint '{text}' has a path of {bytes} bytes: the longest a unix socket can have is {UNIX_PATH_BYTES_MAX}"
    )]
    LongPath {
        /// What was given.
        text: String,
        /// The length of its path.
        bytes: usize,
    },
}

impl Endpoint {
    /// The endpoint of a bound or connected TCP address.
    pub fn tcp(address: SocketAddr) -> Self {
        Self::Tcp { host: address.ip().to_string(), port: address.port() }
    }

    /// The endpoint of a Unix socket; its path must be absolute, name a file and fit into a socket address.
    pub fn unix(path: impl AsRef<Path>) -> Result<Self, EndpointError> {
        let path = path.as_ref();
        let bytes = path.as_os_str().as_encoded_bytes();
        let text = format!("unix://{}", path.display());
        match bytes {
            [b'/', .., b'/'] | [b'/'] => Err(EndpointError::Directory { text }),
            [b'/', ..] if bytes.contains(&0) => Err(EndpointError::Nul { text }),
            [b'/', ..] if bytes.len() > UNIX_PATH_BYTES_MAX => {
                Err(EndpointError::LongPath { text, bytes: bytes.len() })
            }
            [b'/', ..] => Ok(Self::Unix { path: path.to_owned() }),
            _ => Err(EndpointError::RelativePath { text }),
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if let Some(path) = text.strip_prefix("unix://") {
            Self::unix(path)
        } else if let Some(authority) = text.strip_prefix("tcp://") {
            parse_tcp(text, authority)
        } else {
            Err(EndpointError::Scheme { text: text.to_owned() })
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp://[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Self::Unix { path } => write!(f, "unix://{}", path.display()),
            Self::Memory { name } => write!(f, "memory:{name}"),
        }
    }
}

fn parse_tcp(text: &str, authority: &str) -> Result<Endpoint, EndpointError> {
    let text = || text.to_owned();
    let (host, rest) = match authority.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        Some((host, rest)) if host.parse::<Ipv6Addr>().is_ok() => (host, rest),
        Some((host, _)) => return Err(EndpointError::Host { text: text(), host: host.to_owned() }),
        None => plain_host(authority).map_err(|host| EndpointError::Host { text: text(), host: host.to_owned() })?,
    };
    if host.is_empty() {
        return Err(EndpointError::NoHost { text: text() });
    }
    let port = match rest.strip_prefix(':') {
        None | Some("") => return Err(EndpointError::NoPort { text: text() }),
        Some(port) => port,
    };
    // `u16::from_str` accepts a sign, a port has none.
    match port.parse() {
        Ok(number) if port.bytes().all(|b| b.is_ascii_digit()) => {
            Ok(Endpoint::Tcp { host: host.to_owned(), port: number })
        }
        _ => Err(EndpointError::Port { text: text(), port: port.to_owned() }),
    }
}

/// Splits `HOST:PORT` before its colon, or gives back a host that cannot be one: a second colon means an IPv6
/// address without its brackets.
fn plain_host(authority: &str) -> Result<(&str, &str), &str> {
    let (host, rest) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
    if rest.matches(':').count() > 1 {
        return Err(authority);
    }
    let valid = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    if host.chars().all(valid) { Ok((host, rest)) } else { Err(host) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Endpoint {
        Endpoint::Tcp { host: host.to_owned(), port }
    }

    #[test]
    fn valid_endpoints_survive_a_round_trip() {
        for (text, endpoint) in [
            ("tcp://127.0.0.1:8815", tcp("127.0.0.1", 8815)),
            ("tcp://localhost:0", tcp("localhost", 0)),
            ("tcp://my_host.example-1.org:65535", tcp("my_host.example-1.org", 65535)),
            ("tcp://[::1]:8815", tcp("::1", 8815)),
            ("tcp://[::]:0", tcp("::", 0)),
            ("unix:///run/deltaport/deltaport.sock", Endpoint::Unix { path: "/run/deltaport/deltaport.sock".into() }),
            ("unix:///a b%2F:c", Endpoint::Unix { path: "/a b%2F:c".into() }),
        ] {
            assert_eq!(text.parse(), Ok(endpoint.clone()), "{text}");
            assert_eq!(endpoint.to_string(), text);
        }
    }

    #[test]
    fn an_address_prints_with_brackets_where_it_needs_them() {
        assert_eq!(Endpoint::tcp("[::1]:7".parse().unwrap()).to_string(), "tcp://[::1]:7");
        assert_eq!(Endpoint::tcp("10.0.0.1:7".parse().unwrap()).to_string(), "tcp://10.0.0.1:7");
    }

    #[test]
    fn bad_tcp_endpoints_name_their_fault() {
        type Expected = fn(&EndpointError) -> bool;
        let cases: [(&str, Expected); 15] = [
            ("tcp://:8815", |e| matches!(e, EndpointError::NoHost { .. })),
            ("tcp://", |e| matches!(e, EndpointError::NoHost { .. })),
            ("tcp://localhost", |e| matches!(e, EndpointError::NoPort { .. })),
            ("tcp://localhost:", |e| matches!(e, EndpointError::NoPort { .. })),
            ("tcp://[::1]", |e| matches!(e, EndpointError::NoPort { .. })),
            ("tcp://[::1]8815", |e| matches!(e, EndpointError::NoPort { .. })),
            ("tcp://h:65536", |e| matches!(e, EndpointError::Port { .. })),
            ("tcp://h:+1", |e| matches!(e, EndpointError::Port { .. })),
            ("tcp://h:80/x", |e| matches!(e, EndpointError::Port { .. })),
            ("tcp://h:80 ", |e| matches!(e, EndpointError::Port { .. })),
            ("tcp://::1:8815", |e| matches!(e, EndpointError::Host { .. })),
            ("tcp://[localhost]:1", |e| matches!(e, EndpointError::Host { .. })),
            ("tcp://[]:1", |e| matches!(e, EndpointError::Host { .. })),
            ("tcp://u@h:1", |e| matches!(e, EndpointError::Host { .. })),
            ("tcp://a b:1", |e| matches!(e, EndpointError::Host { .. })),
        ];
        for (text, expected) in cases {
            let error = text.parse::<Endpoint>().unwrap_err();
            assert!(expected(&error), "{text}: {error:?}");
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn bad_unix_endpoints_name_their_fault() {
        let parse = |text: &str| text.parse::<Endpoint>().unwrap_err();
        assert!(matches!(parse("unix://run/x.sock"), EndpointError::RelativePath { .. }));
        assert!(matches!(parse("unix://"), EndpointError::RelativePath { .. }));
        assert!(matches!(parse("unix:///"), EndpointError::Directory { .. }));
        assert!(matches!(parse("unix:///run/"), EndpointError::Directory { .. }));
        assert_eq!(parse("unix:///run/a\0b").to_string(), r"endpoint 'unix:///run/a\0b' has a NUL byte in its path");
        let longest = format!("unix:///{}", "x".repeat(UNIX_PATH_BYTES_MAX - 1));
        assert!(longest.parse::<Endpoint>().is_ok());
        assert!(matches!(parse(&format!("{longest}y")), EndpointError::LongPath { bytes: 108, .. }));
    }

    #[test]
    fn the_length_limit_counts_bytes_not_characters() {
        let path = format!("/{}", "ä".repeat(54));
        assert!(matches!(Endpoint::unix(path), Err(EndpointError::LongPath { bytes: 109, .. })));
    }

    #[test]
    fn an_unknown_scheme_is_told_the_known_ones() {
        for text in ["", "localhost:80", "http://x:1", "grpc+unix:///x", "TCP://x:1", "unix:/x", "memory:x"] {
            let error = text.parse::<Endpoint>().unwrap_err();
            assert!(matches!(error, EndpointError::Scheme { .. }), "{text}");
            assert!(error.to_string().contains("tcp://HOST:PORT or unix:///"), "{error}");
        }
    }
}
