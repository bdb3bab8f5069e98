//! Lists: one page of a table by fixed fragments. Values only ever come in as parameters, so nothing that a request
//! says becomes SQL (security case 97).

use pid_core::list::{ListRequest, Page};

use crate::{ReadTx, Row, StoreError, Value};

/// How a table is listed.
#[derive(Debug)]
pub struct ListSpec {
    /// The columns of a row.
    pub columns: &'static str,
    /// The table, with what it is joined to.
    pub from: &'static str,
    /// A condition that always holds; `$1` may be its parameter.
    pub base: Option<&'static str>,
    /// Columns that a search looks into.
    pub search: &'static [&'static str],
    /// Sortable names and their columns.
    pub sort: &'static [(&'static str, &'static str)],
    /// Names of filters.
    pub filters: &'static [(&'static str, Filter)],
    /// The order without a sort; its last column must be unique.
    pub order: &'static str,
}

/// How a filter narrows a list. Values of one filter are OR-ed.
#[derive(Clone, Copy, Debug)]
pub enum Filter {
    /// A boolean column.
    Bool(&'static str),
    /// A text column.
    Text(&'static str),
    /// Words, each with a condition of its own.
    Words(&'static [(&'static str, &'static str)]),
}

impl Filter {
    /// The condition for what was asked, if it narrows anything.
    fn condition(self, request: &ListRequest, name: &str, params: &mut Vec<Value>) -> Option<String> {
        let (_, values) = request.filters.iter().find(|(field, _)| field == name)?;
        match self {
            Self::Bool(column) => {
                params.push(Value::from(request.bool_filter(name)?));
                Some(format!("{column} = ${}", params.len()))
            }
            Self::Text(column) => {
                let first = params.len() + 1;
                params.extend(values.iter().map(|v| Value::from(v.as_str())));
                let places: Vec<String> = (first..=params.len()).map(|n| format!("${n}")).collect();
                Some(format!("{column} IN ({})", places.join(", ")))
            }
            Self::Words(words) => {
                let wanted: Vec<&str> =
                    words.iter().filter(|(word, _)| values.iter().any(|v| v == word)).map(|(_, c)| *c).collect();
                (!wanted.is_empty()).then(|| format!("({})", wanted.join(" OR ")))
            }
        }
    }

    /// Values that narrow, for the test that prepares every statement.
    fn samples(self) -> Vec<String> {
        match self {
            Self::Bool(_) => vec!["true".to_owned()],
            Self::Text(_) => vec!["true".to_owned(), "false".to_owned()],
            Self::Words(words) => words.iter().map(|(word, _)| (*word).to_owned()).collect(),
        }
    }
}

struct Query {
    rows: String,
    count: String,
    params: Vec<Value>,
}

impl ListSpec {
    fn query(&self, request: &ListRequest, base: Option<&str>) -> Query {
        let mut params: Vec<Value> = base.into_iter().map(Value::from).collect();
        let mut conditions: Vec<String> = self.base.into_iter().map(str::to_owned).collect();
        if let Some(search) = request.search.as_deref().filter(|_| !self.search.is_empty()) {
            let escaped = search.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            params.push(Value::from(format!("%{escaped}%")));
            let n = params.len();
            let any: Vec<String> =
                self.search.iter().map(|c| format!("lower({c}) LIKE lower(${n}) ESCAPE '\\'")).collect();
            conditions.push(format!("({})", any.join(" OR ")));
        }
        for (name, filter) in self.filters {
            conditions.extend(filter.condition(request, name, &mut params));
        }
        let conditions =
            if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        let sort = request.sort.as_ref().and_then(|(name, descending)| {
            let (_, column) = self.sort.iter().find(|(n, _)| n == name)?;
            Some(format!("{column} {}, ", if *descending { "DESC" } else { "ASC" }))
        });
        let n = params.len();
        Query {
            rows: format!(
                "SELECT {} FROM {}{conditions} ORDER BY {}{} LIMIT ${} OFFSET ${}",
                self.columns,
                self.from,
                sort.unwrap_or_default(),
                self.order,
                n + 1,
                n + 2
            ),
            count: format!("SELECT count(*) FROM {}{conditions}", self.from),
            params,
        }
    }

    /// Reads a page. A page beyond the last is the last.
    pub(crate) fn page<T>(
        &self,
        tx: &ReadTx<'_>,
        request: &ListRequest,
        base: Option<&str>,
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let mut query = self.query(request, base);
        let counted = tx.query_dynamic(&query.count, &query.params)?;
        let total: i64 = counted.first().ok_or(StoreError::NoRow)?.get(0)?;
        let (page, offset) = request.window(total);
        query.params.extend([Value::from(request.limit), Value::from(offset)]);
        let rows = tx.query_dynamic(&query.rows, &query.params)?;
        let items = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Page { items, total, page, limit: request.limit })
    }

    /// Every statement that this list can make, for the test that prepares them.
    pub fn statements(&self) -> Vec<String> {
        let base = self.base.map(|_| "x");
        let mut out = Vec::new();
        let sorts = self.sort.iter().map(|(n, _)| Some((*n).to_owned())).chain([None]);
        for sort in sorts {
            for descending in [false, true] {
                for search in [None, Some("x".to_owned())] {
                    for filtered in [false, true] {
                        let filters = if filtered { self.filters } else { &[] };
                        let request = ListRequest {
                            sort: sort.clone().map(|s| (s, descending)),
                            search: search.clone(),
                            filters: filters.iter().map(|(n, f)| ((*n).to_owned(), f.samples())).collect(),
                            ..ListRequest::default()
                        };
                        let query = self.query(&request, base);
                        out.extend([query.rows, query.count]);
                    }
                }
            }
        }
        out.sort();
        out.dedup();
        out
    }
}
