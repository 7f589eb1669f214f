//! Behaviour: against tables of expressions and what DuckDB answers, and by hand where DuckDB cannot be asked.

mod oracle;
