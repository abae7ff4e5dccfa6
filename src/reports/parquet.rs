//! Apache Parquet for programs that analyse data: times in UTC, durations as integers of milliseconds, null where there is no value. Rows are
//! written in groups, so a file of any length needs constant memory, and the same data give the same bytes.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, GzipLevel, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};

use crate::limits::PARQUET_GROUP_ROWS;
use crate::store::Store;

use super::abandoned::AbandonedReport;
use super::cells::{self, Cell, Kind};
use super::kpi::Figures;
use super::period::Period;
use super::{Value, lines};

/// Each row has one of the values.
const FIGURES: [(&str, Kind); 9] = [
    ("figure", Kind::Text),
    ("of", Kind::Text),
    ("calls", Kind::Count),
    ("duration_ms", Kind::Duration),
    ("percent", Kind::PerMille),
    ("met", Kind::Yes),
    ("time", Kind::Time),
    ("unit", Kind::Text),
    ("formula", Kind::Text),
];

/// Cells of one column in the current group. A null has no value, and the level 0.
enum Values {
    Integers(Vec<i64>),
    Decimals(Vec<f64>),
    Texts(Vec<ByteArray>),
    Answers(Vec<bool>),
}

struct Column {
    values: Values,
    /// 1 for each value, 0 for each null.
    levels: Vec<i16>,
}

/// A file that is being written.
pub(in crate::reports) struct Table<W: Write + Send> {
    file: SerializedFileWriter<W>,
    columns: Vec<Column>,
    rows: usize,
}

impl<W: Write + Send> Table<W> {
    pub(in crate::reports) fn new<'a>(
        columns: impl IntoIterator<Item = (&'a str, Kind)>,
        out: W,
    ) -> anyhow::Result<Self> {
        let columns: Vec<(&str, Kind)> = columns.into_iter().collect();
        let fields = columns.iter().map(|(name, kind)| field(name, *kind)).collect::<Result<Vec<TypePtr>, _>>()?;
        let schema = Type::group_type_builder("schema").with_fields(fields).build()?;
        let properties = WriterProperties::builder()
            .set_created_by("siaga".to_owned())
            .set_compression(Compression::GZIP(GzipLevel::default()))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .build();
        let file = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?;
        Ok(Self { file, columns: columns.iter().map(|(_, kind)| Column::of(*kind)).collect(), rows: 0 })
    }

    pub(in crate::reports) fn add(&mut self, cells: impl IntoIterator<Item = Cell>) -> anyhow::Result<()> {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.add(cell)?;
        }
        self.rows += 1;
        if self.rows >= PARQUET_GROUP_ROWS {
            self.write_group()?;
        }
        Ok(())
    }

    /// Writes the last group and the end of the file.
    pub(in crate::reports) fn finish(mut self) -> anyhow::Result<W> {
        if self.rows > 0 {
            self.write_group()?;
        }
        let mut out = self.file.into_inner()?;
        out.flush()?;
        Ok(out)
    }

    fn write_group(&mut self) -> anyhow::Result<()> {
        let mut group = self.file.next_row_group()?;
        for column in &mut self.columns {
            column.write(&mut group)?;
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }
}

impl Table<Vec<u8>> {
    /// Takes the bytes that are complete. The rest follows later.
    pub(in crate::reports) fn take_written(&mut self) -> anyhow::Result<Vec<u8>> {
        self.file.flush()?;
        Ok(std::mem::take(self.file.inner_mut()))
    }
}

/// The schema of one column.
fn field(name: &str, kind: Kind) -> Result<TypePtr, ParquetError> {
    let time = || Some(LogicalType::timestamp(true, TimeUnit::MILLIS));
    let (physical, logical) = match kind {
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Count | Kind::Duration => (Physical::INT64, None),
        Kind::Decimal | Kind::PerMille => (Physical::DOUBLE, None),
        Kind::Yes => (Physical::BOOLEAN, None),
        Kind::Time => (Physical::INT64, time()),
    };
    let builder = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
    Ok(Arc::new(builder.with_logical_type(logical).build()?))
}

impl Column {
    fn of(kind: Kind) -> Self {
        let values = match kind {
            Kind::Text => Values::Texts(Vec::new()),
            Kind::Count | Kind::Duration | Kind::Time => Values::Integers(Vec::new()),
            Kind::Decimal | Kind::PerMille => Values::Decimals(Vec::new()),
            Kind::Yes => Values::Answers(Vec::new()),
        };
        Self { values, levels: Vec::new() }
    }

    fn add(&mut self, cell: Cell) -> anyhow::Result<()> {
        let is_null = cell == Cell::None;
        match (&mut self.values, cell) {
            (_, Cell::None) => {}
            (Values::Texts(all), Cell::Text(text)) => all.push(ByteArray::from(text.into_bytes())),
            (Values::Integers(all), Cell::Count(number) | Cell::Duration(number)) => {
                all.push(i64::try_from(number).unwrap_or(i64::MAX));
            }
            (Values::Integers(all), Cell::Time(at)) => all.push(at.as_millis()),
            (Values::Decimals(all), Cell::Decimal(number)) => all.push(number),
            // Exact below 2^53.
            (Values::Decimals(all), Cell::PerMille(tenths)) => all.push(tenths as f64 / 10.0),
            (Values::Answers(all), Cell::Yes(answer)) => all.push(answer),
            (
                Values::Texts(_) | Values::Integers(_) | Values::Decimals(_) | Values::Answers(_),
                Cell::Text(_)
                | Cell::Count(_)
                | Cell::Duration(_)
                | Cell::Time(_)
                | Cell::Decimal(_)
                | Cell::PerMille(_)
                | Cell::Yes(_),
            ) => anyhow::bail!("a cell has another kind than its column"),
        }
        self.levels.push(i16::from(!is_null));
        Ok(())
    }

    fn write<W: Write + Send>(&mut self, group: &mut SerializedRowGroupWriter<'_, W>) -> anyhow::Result<()> {
        match &mut self.values {
            Values::Integers(values) => write_chunk::<Int64Type, W>(group, values, &self.levels)?,
            Values::Decimals(values) => write_chunk::<DoubleType, W>(group, values, &self.levels)?,
            Values::Texts(values) => write_chunk::<ByteArrayType, W>(group, values, &self.levels)?,
            Values::Answers(values) => write_chunk::<BoolType, W>(group, values, &self.levels)?,
        }
        self.levels.clear();
        Ok(())
    }
}

fn write_chunk<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &mut Vec<T::T>,
    levels: &[i16],
) -> anyhow::Result<()> {
    let mut chunk = group.next_column()?.ok_or_else(|| anyhow::anyhow!("the file has fewer columns"))?;
    chunk.typed::<T>().write_batch(values, Some(levels), None)?;
    chunk.close()?;
    values.clear();
    Ok(())
}

pub(super) fn summary(period: &Period, figures: &Figures, out: &mut (impl Write + Send)) -> anyhow::Result<()> {
    let mut table = Table::new(FIGURES, out)?;
    let text = |text: &str| Cell::Text(text.to_owned());
    for (name, at, formula) in
        [("from", period.span.start, "the first moment inside"), ("to", period.span.end, "the first moment behind")]
    {
        let [none, time] = [Cell::None, Cell::Time(at)];
        let rest = [none.clone(), none.clone(), none.clone(), none.clone(), none, time, text("time"), text(formula)];
        table.add(std::iter::once(text(name)).chain(rest))?;
    }
    for line in lines(figures) {
        let mut cells: [Cell; FIGURES.len()] = std::array::from_fn(|_| Cell::None);
        let [figure, of, calls, duration, percent, met, _, unit, formula] = &mut cells;
        *figure = text(line.name);
        *of = some(&line.of);
        *formula = some(&line.formula);
        *unit = text(match line.value {
            Value::Calls(number) => {
                *calls = Cell::Count(number);
                "calls"
            }
            Value::Millis(millis) => {
                *duration = millis.map_or(Cell::None, Cell::Duration);
                "ms"
            }
            Value::PerMille(tenths) => {
                *percent = tenths.map_or(Cell::None, Cell::PerMille);
                "%"
            }
            Value::Yes(answer) => {
                *met = answer.map_or(Cell::None, Cell::Yes);
                "yes/no"
            }
        });
        table.add(cells)?;
    }
    table.finish()?;
    Ok(())
}

fn some(text: &str) -> Cell {
    if text.is_empty() { Cell::None } else { Cell::Text(text.to_owned()) }
}

pub(super) async fn calls(store: &Store, period: &Period, out: &mut (impl Write + Send)) -> anyhow::Result<()> {
    let mut table = Table::new(cells::CALL.into_iter().zip(cells::CALL_KINDS), out)?;
    let mut page = store.calls(&period.span, None).await?;
    while let Some(last) = page.last() {
        for call in &page {
            table.add(cells::call(&call.cdr()?))?;
        }
        page = store.calls(&period.span, Some(last)).await?;
    }
    table.finish()?;
    Ok(())
}

pub(super) fn abandoned(report: &AbandonedReport, out: &mut (impl Write + Send)) -> anyhow::Result<()> {
    let mut table = Table::new(cells::ABANDONED.into_iter().zip(cells::ABANDONED_KINDS), out)?;
    report.numbers.iter().chain(&report.anonymous).try_for_each(|one| table.add(cells::abandoned(one)))?;
    table.finish()?;
    Ok(())
}

/// Rows of texts with their columns. A number that is missing is null.
pub(super) fn rows(
    columns: &[(&str, Kind)],
    rows: &[Vec<String>],
    out: &mut (impl Write + Send),
) -> anyhow::Result<()> {
    let mut table = Table::new(columns.iter().copied(), out)?;
    for row in rows {
        let cell = |(text, (_, kind)): (&String, &(&str, Kind))| match kind {
            Kind::Count => text.parse().map_or(Cell::None, Cell::Count),
            Kind::Decimal => text.parse().map_or(Cell::None, Cell::Decimal),
            Kind::Text | Kind::Duration | Kind::PerMille | Kind::Yes | Kind::Time => Cell::Text(text.clone()),
        };
        table.add(row.iter().zip(columns).map(cell))?;
    }
    table.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_of_another_kind_is_an_error() {
        let mut table = Table::new([("calls", Kind::Count)], Vec::new()).unwrap();
        assert!(table.add([Cell::Text("one".to_owned())]).is_err());
    }

    #[test]
    fn long_tables_have_several_groups_and_the_same_bytes_each_time() {
        let written = || {
            let mut table = Table::new([("calls", Kind::Count), ("name", Kind::Text)], Vec::new()).unwrap();
            for number in 0..u64::try_from(PARQUET_GROUP_ROWS).unwrap() * 2 + 1 {
                let name = if number % 3 == 0 { Cell::None } else { Cell::Text(number.to_string()) };
                table.add([Cell::Count(number), name]).unwrap();
                assert!(table.columns.iter().all(|column| column.levels.len() < PARQUET_GROUP_ROWS));
            }
            table.finish().unwrap()
        };
        let file = written();
        assert!(file.starts_with(b"PAR1") && file.ends_with(b"PAR1"));
        assert!(file == written());
    }
}
