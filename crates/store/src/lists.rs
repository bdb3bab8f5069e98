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
    /// Names of boolean filters and their columns.
    pub filters: &'static [(&'static str, &'static str)],
    /// The order without a sort; its last column must be unique.
    pub order: &'static str,
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
            let escaped = search.to_ascii_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            params.push(Value::from(format!("%{escaped}%")));
            let n = params.len();
            let any: Vec<String> = self.search.iter().map(|c| format!("lower({c}) LIKE ${n} ESCAPE '\\'")).collect();
            conditions.push(format!("({})", any.join(" OR ")));
        }
        for (name, column) in self.filters {
            if let Some(wanted) = request.bool_filter(name) {
                params.push(Value::from(wanted));
                conditions.push(format!("{column} = ${}", params.len()));
            }
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
                            filters: filters.iter().map(|(n, _)| ((*n).to_owned(), vec!["true".to_owned()])).collect(),
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
