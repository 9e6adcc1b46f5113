"""The row-wise rules of Great Expectations, with their arguments.

The list is copied from Great Expectations, because importing the library takes seconds. A test compares the two. The
rules about LIKE patterns are missing, because Great Expectations evaluates them only in databases. So are TYPE_RULES.
"""

from __future__ import annotations

ALWAYS = ("mostly", "row_condition", "condition_parser")  # arguments that every rule accepts
BETWEEN = "expect_column_values_to_be_between"

# The arguments of each rule; `!` marks required arguments.
RULES = {
    "expect_column_pair_values_a_to_be_greater_than_b": "column_A! column_B! or_equal ignore_row_if",
    "expect_column_pair_values_to_be_equal": "column_A! column_B! ignore_row_if",
    "expect_column_pair_values_to_be_in_set": "column_A! column_B! value_pairs_set! ignore_row_if",
    "expect_column_value_lengths_to_be_between": "column! min_value max_value strict_min strict_max",
    "expect_column_value_lengths_to_equal": "column! value!",
    "expect_column_value_z_scores_to_be_less_than": "column! threshold! double_sided!",
    "expect_column_values_to_be_between": "column! min_value max_value strict_min strict_max",
    "expect_column_values_to_be_dateutil_parseable": "column!",
    "expect_column_values_to_be_decreasing": "column! strictly",
    "expect_column_values_to_be_in_set": "column! value_set!",
    "expect_column_values_to_be_increasing": "column! strictly",
    "expect_column_values_to_be_json_parseable": "column!",
    "expect_column_values_to_be_null": "column!",
    "expect_column_values_to_be_unique": "column!",
    "expect_column_values_to_match_json_schema": "column! json_schema!",
    "expect_column_values_to_match_regex": "column! regex",
    "expect_column_values_to_match_regex_list": "column! regex_list! match_on",
    "expect_column_values_to_match_strftime_format": "column! strftime_format!",
    "expect_column_values_to_not_be_in_set": "column! value_set!",
    "expect_column_values_to_not_be_null": "column!",
    "expect_column_values_to_not_be_outliers": "column! method multiplier",
    "expect_column_values_to_not_match_regex": "column! regex!",
    "expect_column_values_to_not_match_regex_list": "column! regex_list!",
    "expect_compound_columns_to_be_unique": "column_list! ignore_row_if",
    "expect_multicolumn_sum_to_equal": "column_list! ignore_row_if sum_total!",
    "expect_multicolumn_values_to_be_equal": "column_list! ignore_row_if",
    "expect_select_column_values_to_be_unique_within_record": "column_list! ignore_row_if",
}

# Rules about the type of a column. The data contract declares the types, and such a rule names no row that fails.
TYPE_RULES = {"expect_column_values_to_be_in_type_list", "expect_column_values_to_be_of_type"}
# Rules about the text of a value, such as its length. A value of another type is judged by its text.
TEXT_RULES = {
    "expect_column_value_lengths_to_be_between",
    "expect_column_value_lengths_to_equal",
    "expect_column_values_to_be_dateutil_parseable",
    "expect_column_values_to_be_json_parseable",
    "expect_column_values_to_match_json_schema",
    "expect_column_values_to_match_regex",
    "expect_column_values_to_match_regex_list",
    "expect_column_values_to_match_strftime_format",
    "expect_column_values_to_not_match_regex",
    "expect_column_values_to_not_match_regex_list",
}
# Rules that check each value of a column independently of other rows.
VALUE_RULES = TEXT_RULES | {
    "expect_column_values_to_be_between",
    "expect_column_values_to_be_in_set",
    "expect_column_values_to_be_null",
    "expect_column_values_to_not_be_in_set",
    "expect_column_values_to_not_be_null",
}
# Rules that check each row independently of other rows.
ROW_RULES = VALUE_RULES | {
    "expect_column_pair_values_a_to_be_greater_than_b",
    "expect_column_pair_values_to_be_equal",
    "expect_column_pair_values_to_be_in_set",
    "expect_multicolumn_sum_to_equal",
    "expect_multicolumn_values_to_be_equal",
    "expect_select_column_values_to_be_unique_within_record",
}
# Rules that a row passes if no other row has the same values in the rule's columns.
UNIQUE_RULES = {"expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique"}


def list_arguments(rule_type: str) -> tuple[list[str], list[str]]:
    """Return the required arguments of a rule type, and all arguments that it accepts."""
    arguments = RULES[rule_type].split()
    required = [argument.removesuffix("!") for argument in arguments if argument.endswith("!")]
    return required, [*(argument.removesuffix("!") for argument in arguments), *ALWAYS]
