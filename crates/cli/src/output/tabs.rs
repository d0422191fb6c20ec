//! Columns as Go's text/tabwriter lays them out (minimum width, padding of blanks).

/// Lays out text whose cells end with a tab.
///
/// A column is a run of consecutive lines that have a cell there; the last cell of a
/// line (not ended by a tab) belongs to no column and does not widen one.
pub fn align(text: &str, minimum_width: usize, padding: usize) -> String {
    let width = |width: usize| width.max(minimum_width);
    lay_out(text, padding, width, |blanks| " ".repeat(blanks))
}

/// The same with tabs between the columns, as terminals show them: eight wide.
pub fn tabbed(text: &str) -> String {
    const TAB: usize = 8;
    let whole = |width: usize| width.next_multiple_of(TAB);
    lay_out(text, 1, whole, |blanks| "\t".repeat(blanks.div_ceil(TAB)))
}

fn lay_out(
    text: &str,
    padding: usize,
    width_of: impl Fn(usize) -> usize,
    fill: impl Fn(usize) -> String,
) -> String {
    let lines: Vec<Vec<&str>> = text.split('\n').map(|l| l.split('\t').collect()).collect();
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|l| vec![0; l.len()]).collect();
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    for column in 0..columns {
        let mut start = 0;
        while start < lines.len() {
            let in_column = |line: &Vec<&str>| line.len() > column + 1;
            if !in_column(&lines[start]) {
                start += 1;
                continue;
            }
            let length = lines[start..].iter().take_while(|l| in_column(l)).count();
            let block = start..start + length;
            let widest = lines[block.clone()]
                .iter()
                .map(|l| l[column].chars().count())
                .max();
            let width = width_of(widest.unwrap_or(0) + padding);
            for line in block {
                widths[line][column] = width;
            }
            start += length;
        }
    }
    let mut out = String::with_capacity(text.len() * 2);
    for (number, line) in lines.iter().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        for (column, cell) in line.iter().enumerate() {
            out.push_str(cell);
            if column + 1 < line.len() {
                let blanks = widths[number][column].saturating_sub(cell.chars().count());
                out.push_str(&fill(blanks));
            }
        }
    }
    out
}

/// As Docker's lists: columns at least 10 wide, three blanks between them.
pub fn table(text: &str) -> String {
    align(text, 10, 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_cell_sets_the_column_and_the_last_cell_does_not() {
        assert_eq!(
            table("NETWORK ID\tNAME\tDRIVER\ne583eb8589a4\tbridge\tbridge bridge bridge\n"),
            "NETWORK ID     NAME      DRIVER\ne583eb8589a4   bridge    bridge bridge bridge\n"
        );
    }

    #[test]
    fn tabs_reach_to_the_next_column_of_a_terminal() {
        assert_eq!(
            tabbed("Name:\ta\nDockerfile:\tb\nSeven77\tc\n"),
            "Name:\t\ta\nDockerfile:\tb\nSeven77\t\tc\n"
        );
        assert_eq!(tabbed("Seven77\tc\nx\td\n"), "Seven77\tc\nx\td\n");
    }
}
