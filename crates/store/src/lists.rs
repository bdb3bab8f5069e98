//! Lists: one page of a table by fixed fragments. Values only ever come in as parameters, so nothing that a request
//! says becomes SQL (security case 97).
//!
//! A page costs what it shows, not what the table holds:
//! - an order is that of an index, and beyond the middle it is walked from the end;
//! - a search first gathers the ids that it finds, up to [`FEW`]; if there are more, they are everywhere, and the page is
//!   found by walking the order;
//! - so it is with filters, except that SQLite, which keeps no statistics, has to be told: a condition in `+(…)` is only
//!   looked at, and finds no rows by its index. PostgreSQL plans by itself;
//! - each index of SQLite ends in the rowid, so ties are broken by that there, and no index needs the id; where a search
//!   reads one folded text, the indexes of all orders have that, and it breaks the ties;
//! - there, SQLite finds the rows of a page first and reads them then, so that it sees that such an index has all it needs.

use pid_core::list::{ListRequest, Page};

use crate::{Engine, FromValue, ReadTx, Row, StoreError, Value};

/// Rows that are gathered and sorted rather than met on a walk through the whole order.
const FEW: i64 = 2000;

/// How a table is listed.
#[derive(Debug)]
pub struct ListSpec {
    /// The columns of a row.
    pub columns: &'static str,
    /// The table, with what it is joined to.
    pub from: &'static str,
    /// A condition that always holds; `$1` may be its parameter.
    pub base: Option<&'static str>,
    /// Columns that a search looks into. One by the name of `…_key` holds folded text, in an index that also has the
    /// columns of the filters.
    pub search: &'static [&'static str],
    /// Sortable names and their columns. Ties are in the default order, in the direction of the sort.
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
                Some(match places.as_slice() {
                    [one] => format!("{column} = {one}"),
                    several => format!("{column} IN ({})", several.join(", ")),
                })
            }
            Self::Words(words) => {
                let wanted: Vec<&str> =
                    words.iter().filter(|(word, _)| values.iter().any(|v| v == word)).map(|(_, c)| *c).collect();
                (!wanted.is_empty()).then(|| format!("({})", wanted.join(" OR ")))
            }
        }
    }

    /// Whether it keeps rows by one comparison, so that an index has them together.
    fn is_one(self, request: &ListRequest, name: &str) -> bool {
        let condition = self.condition(request, name, &mut Vec::new());
        condition.is_some_and(|condition| ![" OR ", " IN (", "<>"].iter().any(|several| condition.contains(several)))
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

/// A row of an ascending order, by its column and the time, of which is known how many come before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The first column of the order; `created_at` if that alone is the order.
    pub column: &'static str,
    /// What the row has there; empty if the order is that of the time alone.
    pub value: String,
    /// Its time, in milliseconds.
    pub created_at: i64,
    /// Rows before it.
    pub before: i64,
}

/// What is known of the rows before they are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// All that a search finds, as a JSON list of what names a row, and how many these are.
    Ids(String, i64),
    /// They are at this row or behind it.
    From(Mark),
    /// They are to be found by the conditions.
    ByConditions,
}

/// Which condition of a filter finds rows by its index, on SQLite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// That of the filter of this name.
    By(&'static str),
    /// None: the order is walked, or what always holds finds the rows.
    Walk,
}

struct Query {
    sql: String,
    params: Vec<Value>,
}

/// What a search looks for, as a pattern of `LIKE`.
fn pattern(search: &str) -> String {
    let escaped = search.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

impl ListSpec {
    /// The column with folded text, and what a request looks for in it.
    fn folded(&self, request: &ListRequest) -> Option<(&'static str, Value)> {
        let [column] = self.search else { return None };
        let search = request.search.as_deref().filter(|_| column.ends_with("_key"))?;
        Some((column, Value::from(pattern(&search.to_lowercase()))))
    }

    /// Whether rows are found by their rowid: those of a single table of SQLite.
    fn has_rowid(&self, engine: Engine) -> bool {
        engine == Engine::Sqlite && !self.from.contains(' ')
    }

    /// What names a row: the last column of the order, or the rowid of a single table.
    fn id(&self, engine: Engine) -> String {
        let (_, last) = self.order.rsplit_once(", ").unwrap_or(("", self.order));
        if self.has_rowid(engine) {
            return format!("{}.rowid", self.from);
        }
        last.strip_suffix(" DESC").unwrap_or(last).to_owned()
    }

    /// What breaks ties where no index of the order has the id.
    fn tie(&self, engine: Engine) -> String {
        match self.search {
            [folded] if folded.ends_with("_key") && self.has_rowid(engine) => (*folded).to_owned(),
            _ => self.id(engine),
        }
    }

    /// `FROM` and `WHERE`.
    fn rows(
        &self,
        engine: Engine,
        request: &ListRequest,
        base: Option<&Value>,
        found: &Found,
        access: Access,
    ) -> Query {
        let mut params: Vec<Value> = base.into_iter().cloned().collect();
        let mut conditions: Vec<String> = self.base.into_iter().map(str::to_owned).collect();
        if let Found::From(mark) = found {
            let n = params.len();
            conditions.push(match mark.column {
                "created_at" => format!("created_at >= ${}", n + 1),
                column => format!("({column}, created_at) >= (${}, ${})", n + 2, n + 1),
            });
            params.push(Value::from(mark.created_at));
            if mark.column != "created_at" {
                params.push(Value::from(mark.value.as_str()));
            }
        }
        if let Found::Ids(ids, _) = found {
            params.push(Value::from(ids.as_str()));
            let n = params.len();
            let list = match engine {
                Engine::Sqlite => format!("SELECT value FROM json_each(${n})"),
                Engine::Postgres => format!("SELECT json_array_elements_text(CAST(${n} AS TEXT)::JSON)"),
            };
            conditions.push(format!("{} IN ({list})", self.id(engine)));
        } else if let Some((column, pattern)) = self.folded(request) {
            params.push(pattern);
            conditions.push(format!("{column} LIKE ${} ESCAPE '\\'", params.len()));
        } else if let Some(search) = request.search.as_deref().filter(|_| !self.search.is_empty()) {
            params.push(Value::from(pattern(search)));
            let n = params.len();
            let any: Vec<String> =
                self.search.iter().map(|c| format!("lower({c}) LIKE lower(${n}) ESCAPE '\\'")).collect();
            conditions.push(format!("({})", any.join(" OR ")));
        }
        for (name, filter) in self.filters {
            if let Some(condition) = filter.condition(request, name, &mut params) {
                let looks_only = engine == Engine::Sqlite && access != Access::By(name);
                conditions.push(if looks_only { format!("+({condition})") } else { condition });
            }
        }
        let conditions =
            if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        Query { sql: format!("FROM {}{conditions}", self.from), params }
    }

    /// The order: columns, and whether each descends.
    fn order(&self, request: &ListRequest) -> Vec<(&'static str, bool)> {
        let sort = request.sort.as_ref().and_then(|(name, descending)| {
            let (_, column) = self.sort.iter().find(|(n, _)| n == name)?;
            Some((*column, *descending))
        });
        let mut order = Vec::new();
        if let Some((column, descending)) = sort {
            // Rows that always come last are not turned.
            let last = column.find(" IS NULL, ").map(|at| column.split_at(at + " IS NULL".len()));
            let (nulls, column) = last.map_or((None, column), |(nulls, rest)| (Some((nulls, false)), &rest[2..]));
            order.extend(nulls);
            order.push((column, descending));
        }
        for term in self.order.split(", ") {
            let (column, default) = term.strip_suffix(" DESC").map_or((term, false), |column| (column, true));
            if order.iter().all(|(known, _)| *known != column) {
                order.push((column, sort.map_or(default, |(_, descending)| descending)));
            }
        }
        order
    }

    fn page_query(
        &self,
        engine: Engine,
        mut rows: Query,
        order: &[(&str, bool)],
        walks: bool,
        backwards: bool,
    ) -> Query {
        let (id, tie) = (self.id(engine), self.tie(engine));
        let is_default = self.is_default(order);
        let direction = |descending: bool| if descending == backwards { "ASC" } else { "DESC" };
        let mut order: Vec<String> =
            order.iter().map(|(column, descending)| format!("{column} {}", direction(*descending))).collect();
        // The index of the default order has the id. That of another order, or of a filter, ends in the rowid.
        let with_id = walks && is_default && tie == id;
        if let Some(last) = order.last_mut().filter(|_| !with_id) {
            let turned = if last.ends_with(" ASC") { "ASC" } else { "DESC" };
            *last = format!("{tie} {turned}");
        }
        let (order, n) = (order.join(", "), rows.params.len());
        let of = |columns: &str| {
            format!("SELECT {columns} {} ORDER BY {order} LIMIT ${} OFFSET ${}", rows.sql, n + 1, n + 2)
        };
        // Only an index that has all that is asked for is worth it.
        rows.sql = match tie != id {
            true => format!("SELECT {} FROM {} WHERE {id} IN ({}) ORDER BY {order}", self.columns, self.from, of(&id)),
            false => of(self.columns),
        };
        rows
    }

    /// Whether an order begins as the default one does.
    fn is_default(&self, order: &[(&str, bool)]) -> bool {
        self.order.split([',', ' ']).next() == order.first().map(|(column, _)| *column)
    }

    fn count_query(rows: Query) -> Query {
        Query { sql: format!("SELECT count(*) {}", rows.sql), ..rows }
    }

    /// The ids that a folded search finds, one more than are gathered.
    fn ids_query(&self, engine: Engine, column: &str, pattern: Value) -> Query {
        let (id, from) = (self.id(engine), self.from);
        let sql = format!("SELECT {id} FROM {from} WHERE {column} LIKE $1 ESCAPE '\\' LIMIT {}", FEW + 1);
        Query { sql, params: vec![pattern] }
    }

    /// The filters that narrow.
    fn given(&self, request: &ListRequest) -> Vec<(&'static str, Filter)> {
        let narrows = |(name, filter): &&(&str, Filter)| filter.condition(request, name, &mut Vec::new()).is_some();
        self.filters.iter().filter(narrows).copied().collect()
    }

    /// How rows are counted best.
    fn access_to_all(&self, request: &ListRequest, found: &Found) -> Access {
        let searches = *found != Found::ByConditions || self.folded(request).is_some();
        match self.given(request)[..] {
            [] => Access::Walk,
            // What always holds, or what a search found, finds the rows.
            _ if self.base.is_some() || searches => Access::Walk,
            // Beside folded text there is an index with all flags.
            [_, _, ..] if self.search.iter().any(|column| column.ends_with("_key")) => Access::Walk,
            [(name, _), ..] => Access::By(name),
        }
    }

    /// How a page is found best.
    fn access_to_page(
        &self,
        tx: &ReadTx<'_>,
        request: &ListRequest,
        found: &Found,
        total: i64,
    ) -> Result<Access, StoreError> {
        let order = self.order(request);
        let searches = *found != Found::ByConditions || self.folded(request).is_some();
        if self.base.is_some() || searches || tx.engine() != Engine::Sqlite {
            return Ok(Access::Walk);
        }
        let given = self.given(request);
        if total > FEW {
            // Filters have indexes in the default order: there, one value of one filter is walked as if it were a list.
            let mut given = given.into_iter();
            let in_order = given.find(|(name, filter)| self.is_default(&order) && filter.is_one(request, name));
            return Ok(in_order.map_or(Access::Walk, |(name, _)| Access::By(name)));
        }
        // The narrowest finds the few; no statistics tell which it is.
        let mut best = (Access::Walk, i64::MAX);
        for (name, _) in &given {
            let n = match given.len() {
                1 => 0,
                _ => self.count_some(tx, request, name)?,
            };
            if n < best.1 {
                best = (Access::By(name), n);
            }
        }
        Ok(best.0)
    }

    fn count_some_query(&self, engine: Engine, request: &ListRequest, name: &'static str) -> Query {
        let filters = request.filters.iter().filter(|(field, _)| field == name).cloned().collect();
        let alone = ListRequest { filters, ..ListRequest::default() };
        let rows = self.rows(engine, &alone, None, &Found::ByConditions, Access::By(name));
        Query {
            sql: format!("SELECT count(*) FROM (SELECT 1 AS one {} LIMIT {}) AS found", rows.sql, 10 * FEW),
            ..rows
        }
    }

    /// How many rows a filter finds, if they are not very many.
    fn count_some(&self, tx: &ReadTx<'_>, request: &ListRequest, name: &'static str) -> Result<i64, StoreError> {
        let query = self.count_some_query(tx.engine(), request, name);
        tx.query_dynamic(&query.sql, &query.params)?.first().ok_or(StoreError::NoRow)?.get(0)
    }

    /// Reads a page. A page beyond the last is the last.
    pub(crate) fn page<T>(
        &self,
        tx: &ReadTx<'_>,
        request: &ListRequest,
        base: Option<&str>,
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        self.page_of(tx, request, base, None, read)
    }

    /// Reads a page of a list whose length may be known.
    pub(crate) fn page_of<T>(
        &self,
        tx: &ReadTx<'_>,
        request: &ListRequest,
        base: Option<&str>,
        known: Option<i64>,
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let base = base.map(Value::from);
        let found = self.find(tx, request)?;
        let total = match known {
            Some(total) => total,
            None => self.count(tx, request, base.as_ref(), &found, self.access_to_all(request, &found))?,
        };
        // The order is walked from the nearer end.
        let (_, offset) = request.window(total);
        let backwards = offset > total / 2;
        let access = self.access_to_page(tx, request, &found, total)?;
        self.read_page(tx, request, base.as_ref(), &found, access, total, backwards, read)
    }

    /// Reads a page of what has been found already.
    pub(crate) fn page_of_found<T>(
        &self,
        tx: &ReadTx<'_>,
        request: &ListRequest,
        found: &Found,
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let Found::Ids(_, total) = *found else { return Err(StoreError::NoRow) };
        let bare = ListRequest { search: None, filters: Vec::new(), ..request.clone() };
        self.read_page(tx, &bare, None, found, Access::Walk, total, false, read)
    }

    /// Reads a page of a list whose length is known, and in which `mark` finds a row before a position of the ascending
    /// order of a column.
    pub(crate) fn page_from_mark<T>(
        &self,
        tx: &ReadTx<'_>,
        request: &ListRequest,
        total: i64,
        mark: impl FnOnce(&'static str, i64) -> Result<Mark, StoreError>,
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let (_, offset) = request.window(total);
        let is_near_an_end = offset.min(total - offset) < FEW;
        if is_near_an_end && request.filters.is_empty() || total < FEW {
            return self.page_of(tx, request, None, Some(total), read);
        }
        let Some((column, descends)) = self.order(request).first().copied() else { return Err(StoreError::NoRow) };
        let length = request.limit.min(total - offset);
        let found = Found::From(mark(column, if descends { total - offset - length } else { offset })?);
        self.read_page(tx, request, None, &found, Access::Walk, total, descends, read)
    }

    /// Reads the rows of a page, from the beginning of the order or, backwards, from its end.
    fn read_page<T>(
        &self,
        tx: &ReadTx<'_>,
        request: &ListRequest,
        base: Option<&Value>,
        found: &Found,
        access: Access,
        total: i64,
        backwards: bool,
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let (page, offset) = request.window(total);
        let length = request.limit.min(total - offset);
        let mut items = Vec::new();
        if length > 0 {
            let rows = self.rows(tx.engine(), request, base, found, access);
            let walks = access == Access::Walk && base.is_none() && !matches!(found, Found::Ids(..));
            let mut query = self.page_query(tx.engine(), rows, &self.order(request), walks, backwards);
            let start = if backwards { total - offset - length } else { offset };
            let before = if let Found::From(mark) = found { mark.before } else { 0 };
            query.params.extend([Value::from(length), Value::from(start - before)]);
            let rows = tx.query_dynamic(&query.sql, &query.params)?;
            items = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
            if backwards {
                items.reverse();
            }
        }
        Ok(Page { items, total, page, limit: request.limit })
    }

    fn find(&self, tx: &ReadTx<'_>, request: &ListRequest) -> Result<Found, StoreError> {
        let Some((column, pattern)) = self.folded(request) else { return Ok(Found::ByConditions) };
        let query = self.ids_query(tx.engine(), column, pattern);
        let rows = tx.query_dynamic(&query.sql, &query.params)?;
        if i64::try_from(rows.len()).is_ok_and(|n| n > FEW) {
            return Ok(Found::ByConditions);
        }
        ids_of(tx.engine(), &rows)
    }

    fn newest_query(&self, engine: Engine, request: &ListRequest, since: &Value, time: &str) -> Query {
        let rows = self.rows(engine, request, Some(since), &Found::ByConditions, Access::Walk);
        let sql = format!("SELECT {} {} ORDER BY {time} DESC LIMIT {FEW}", self.id(engine), rows.sql);
        Query { sql, ..rows }
    }

    /// The newest rows that match, as many as are gathered, by the column that has their time.
    pub(crate) fn newest(
        &self,
        tx: &ReadTx<'_>,
        request: &ListRequest,
        since: &Value,
        time: &str,
    ) -> Result<Found, StoreError> {
        let query = self.newest_query(tx.engine(), request, since, time);
        ids_of(tx.engine(), &tx.query_dynamic(&query.sql, &query.params)?)
    }

    fn count(
        &self,
        tx: &ReadTx<'_>,
        request: &ListRequest,
        base: Option<&Value>,
        found: &Found,
        access: Access,
    ) -> Result<i64, StoreError> {
        let query = Self::count_query(self.rows(tx.engine(), request, base, found, access));
        tx.query_dynamic(&query.sql, &query.params)?.first().ok_or(StoreError::NoRow)?.get(0)
    }

    /// How many rows match the filters, in the order in which they are.
    pub(crate) fn count_walking(&self, tx: &ReadTx<'_>, request: &ListRequest) -> Result<i64, StoreError> {
        self.count(tx, request, None, &Found::ByConditions, Access::Walk)
    }

    /// What rows that match have together, by the first of these columns.
    pub(crate) fn grouped(
        &self,
        tx: &ReadTx<'_>,
        request: &ListRequest,
        base: Option<&str>,
        columns: &str,
    ) -> Result<Vec<Row>, StoreError> {
        let base = base.map(Value::from);
        let rows = self.rows(tx.engine(), request, base.as_ref(), &Found::ByConditions, Access::Walk);
        tx.query_dynamic(&format!("SELECT {columns} {} GROUP BY 1", rows.sql), &rows.params)
    }

    /// The sum of what the rows that match say, by the one column that they have.
    pub(crate) fn sum(&self, tx: &ReadTx<'_>, request: &ListRequest) -> Result<i64, StoreError> {
        let query = self.sum_query(self.rows(tx.engine(), request, None, &Found::ByConditions, Access::Walk));
        tx.query_dynamic(&query.sql, &query.params)?.first().ok_or(StoreError::NoRow)?.get(0)
    }

    fn sum_query(&self, rows: Query) -> Query {
        Query { sql: format!("SELECT CAST(coalesce(sum({}), 0) AS BIGINT) {}", self.columns, rows.sql), ..rows }
    }

    /// Every statement that this list can make on an engine, for the test that prepares them.
    pub fn statements(&self, engine: Engine) -> Vec<String> {
        let base = self.base.filter(|base| base.contains('$')).map(|_| Value::from("x"));
        let base = base.as_ref();
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
                        let mut found = vec![Found::ByConditions];
                        if let Some((column, pattern)) = self.folded(&request) {
                            out.push(self.ids_query(engine, column, pattern).sql);
                            found.push(Found::Ids("[]".to_owned(), 0));
                            if let Some(since) = base {
                                out.push(self.newest_query(engine, &request, since, self.id(engine).as_str()).sql);
                            }
                        }
                        let by = self.filters.iter().map(|(name, _)| Access::By(name)).chain([Access::Walk]);
                        if self.base.is_none() {
                            let some = self.given(&request).into_iter();
                            out.extend(some.map(|(name, _)| self.count_some_query(engine, &request, name).sql));
                        }
                        for (found, access) in found.iter().flat_map(|f| by.clone().map(move |access| (f, access))) {
                            let rows = || self.rows(engine, &request, base, found, access);
                            let order = self.order(&request);
                            for walks in [false, true] {
                                out.extend(
                                    [false, true].map(|back| self.page_query(engine, rows(), &order, walks, back).sql),
                                );
                            }
                            out.push(Self::count_query(rows()).sql);
                        }
                    }
                }
            }
        }
        out.sort();
        out.dedup();
        out
    }
}

fn ids_of(engine: Engine, rows: &[Row]) -> Result<Found, StoreError> {
    let ids = match engine {
        Engine::Sqlite => serde_json::to_string(&column_of::<i64>(rows)?),
        Engine::Postgres => serde_json::to_string(&column_of::<String>(rows)?),
    };
    let ids = ids.map_err(|e| StoreError::Other(e.to_string()))?;
    Ok(Found::Ids(ids, i64::try_from(rows.len()).map_err(|e| StoreError::Other(e.to_string()))?))
}

fn column_of<T: FromValue>(rows: &[Row]) -> Result<Vec<T>, StoreError> {
    rows.iter().map(|row| row.get(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: ListSpec = ListSpec {
        columns: "t.id",
        from: "t",
        base: None,
        search: &["t.search_key"],
        sort: &[("name", "t.name"), ("made", "t.made"), ("used", "t.used IS NULL, t.used")],
        filters: &[("rare", Filter::Bool("t.rare")), ("kind", Filter::Text("t.kind"))],
        order: "t.made DESC, t.id",
    };

    fn request(sort: Option<(&str, bool)>, filters: &[(&str, &[&str])]) -> ListRequest {
        let texts = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect();
        ListRequest {
            sort: sort.map(|(name, descending)| (name.to_owned(), descending)),
            filters: filters.iter().map(|(name, values)| ((*name).to_owned(), texts(values))).collect(),
            ..ListRequest::default()
        }
    }

    #[test]
    fn ties_follow_the_sort_and_the_unused_come_last() {
        let order = |sort| SPEC.order(&request(sort, &[]));
        assert_eq!(order(None), [("t.made", true), ("t.id", false)]);
        assert_eq!(order(Some(("name", false))), [("t.name", false), ("t.made", false), ("t.id", false)]);
        assert_eq!(order(Some(("made", true))), [("t.made", true), ("t.id", true)]);
        assert_eq!(order(Some(("unknown", true))), [("t.made", true), ("t.id", false)]);
        let used = order(Some(("used", true)));
        assert_eq!(used[..2], [("t.used IS NULL", false), ("t.used", true)]);
        let sql = |engine, order: &[(&str, bool)], walks| {
            let sql = SPEC.page_query(engine, Query { sql: "FROM t".into(), params: vec![] }, order, walks, true).sql;
            sql.split("ORDER BY ").last().unwrap().split(" LIMIT").next().unwrap().to_owned()
        };
        assert_eq!(sql(Engine::Postgres, &used, true), "t.used IS NULL DESC, t.used ASC, t.made ASC, t.id ASC");
        assert_eq!(sql(Engine::Sqlite, &used, true), "t.used IS NULL DESC, t.used ASC, t.made ASC, t.search_key ASC");
        assert_eq!(sql(Engine::Sqlite, &order(None), true), "t.made ASC, t.search_key DESC");
        assert_eq!(sql(Engine::Sqlite, &order(None), false), "t.made ASC, t.search_key DESC");
        let plain = ListSpec { search: &[], ..SPEC };
        let sql = |walks| {
            plain
                .page_query(Engine::Sqlite, Query { sql: "FROM t".into(), params: vec![] }, &order(None), walks, true)
                .sql
        };
        assert!(
            sql(true).contains("ORDER BY t.made ASC, t.id DESC LIMIT"),
            "the index of the default order has the id"
        );
        assert!(sql(false).contains("ORDER BY t.made ASC, t.rowid DESC LIMIT"), "that of a filter ends in the rowid");
    }

    #[test]
    fn sqlite_is_told_which_condition_finds_the_rows() {
        let both = request(None, &[("kind", &["a", "b"]), ("rare", &["true"])]);
        let sql = |engine, access| SPEC.rows(engine, &both, None, &Found::ByConditions, access).sql;
        assert_eq!(sql(Engine::Sqlite, Access::By("rare")), "FROM t WHERE t.rare = $1 AND +(t.kind IN ($2, $3))");
        assert_eq!(sql(Engine::Sqlite, Access::Walk), "FROM t WHERE +(t.rare = $1) AND +(t.kind IN ($2, $3))");
        assert_eq!(sql(Engine::Postgres, Access::Walk), "FROM t WHERE t.rare = $1 AND t.kind IN ($2, $3)");
        assert_eq!(SPEC.access_to_all(&request(None, &[]), &Found::ByConditions), Access::Walk);
        let kind = request(None, &[("kind", &["a"])]);
        assert_eq!(SPEC.access_to_all(&kind, &Found::ByConditions), Access::By("kind"));
        assert_eq!(SPEC.access_to_all(&kind, &Found::Ids("[]".into(), 0)), Access::Walk);
        assert!(SPEC.filters[1].1.is_one(&kind, "kind") && !SPEC.filters[1].1.is_one(&both, "kind"));
        let two = request(None, &[("rare", &["true", "false"])]);
        assert_eq!(SPEC.given(&two).len(), 0, "both values narrow nothing");
    }

    #[test]
    fn case_097_what_is_searched_for_is_text() {
        assert_eq!(pattern("50%_\\"), "%50\\%\\_\\\\%");
        let request = ListRequest { search: Some("'; DROP TABLE t --".into()), ..ListRequest::default() };
        for sql in [Engine::Sqlite, Engine::Postgres]
            .map(|engine| SPEC.rows(engine, &request, None, &Found::ByConditions, Access::Walk).sql)
        {
            assert_eq!(sql, "FROM t WHERE t.search_key LIKE $1 ESCAPE '\\'");
        }
    }
}
