#!/usr/bin/python3
"""Makes texts.json: texts that are JSON, are none, or may be, by class, with the service's verdict.

    generate_texts.py           writes it
    generate_texts.py --check   exit status 1 when the file isn't what this would write

`like` is a regular expression (POSIX, extended) for the names of JSONTestSuite's files of the same class.
The first class that matches a name is the file's. A test tells whether every file there has a class here.
"""

import json
import sys
from pathlib import Path

FILE = Path(__file__).resolve().parent / "texts.json"

# (class, like, texts)
TAKEN = [
    ("a byte order mark in front",
     "i_structure_UTF.8_BOM.*",
     [b'\xef\xbb\xbf{}', b'\xef\xbb\xbf [1]\n']),
    ("an array",
     "y_array.*",
     [b'[]', b'[ 1 ,\t"" ,[ null ] ]\r\n', b'[false,{},2.5]']),
    ("a number",
     "y_number.*",
     [b'-0', b'1E+2', b'-12.5e-3', b'9223372036854775807', b'1e-400']),
    ("an object",
     "y_object.*",
     [b'{}', b'{"":0}', b'{"a" :\n1,"b":{"a":2}}', b'{"n":1e300}']),
    ("a string",
     "y_string.*",
     [b'"\\"\\\\\\/\\b\\f\\n\\r\\t"', b'"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xe2\x80\xa8\x7f"',
      b'"\\ud83d\\ude00\\u00e9"', b'"\\\\u0000"', b'"\\uffff\\ufdd0"', b'"// no comment"']),
    ("a value by itself",
     "y_structure.*",
     [b'true', b'null\n', b' "x" ', b'-1.5', b'""']),
    ("a number too small for a double",
     "i_number_(double_huge_neg_exp|real_underflow)",
     [b'1e-9999', b'[123.4e-700]']),
]
REFUSED = [
    # JSON, but refused on purpose
    ("a name twice",
     "y_object_duplicated_key.*",
     [b'{"a":1,"a":1}', b'{"a":1,"\\u0061":2}']),
    ("an escaped NUL",
     "y_object_escaped_null_in_key|y_string_null_escape",
     [b'"a\\u0000"', b'{"\\u0000":1}']),
    ("a number too large",
     "i_number_(huge_exp|neg_int_huge_exp|pos_double_huge_exp|real_.*overflow|"
     "too_big.*|very_big.*)",
     [b'1e999', b'-1e999', b'9223372036854775808', b'-9223372036854775809', b'1' + b'0' * 400]),
    ("too many levels",
     "i_structure_500.*|n_structure_(100000.*|open_array_object)",
     [b'[' * 40 + b']' * 40, b'[{"a":' * 20 + b'1' + b'}]' * 20, b'[' * 1000, b'[{"":' * 300]),
    ("half a surrogate pair",
     "i_object_key_lone.*|i_string_(1st.*|incomplete_surr.*|invalid_lon.*|"
     "invalid_surr.*|inverted.*|lone_second.*)",
     [b'"\\ud83d"', b'"\\ude00"', b'"\\ude00\\ud83d"', b'"\\ud83d\\ud83d"', b'"\\ud83dx"',
      b'"\\ud83d\\n"', b'{"\\ud83d":1}']),
    ("another encoding",
     "i_string_(utf16.*|UTF-16.*|iso.*)",
     [b'{\x00"\x00a\x00"\x00:\x001\x00}\x00', b'\x00[\x00"\x00x\x00"\x00]',
      b'\xff\xfe[\x00]\x00', b'"caf\xe9"']),
    ("a string that is no UTF-8",
     "i_string_.*|n_string_invalid.utf.8.*|n_string_invalid_utf8.*",
     [b'"\xff"', b'"\x80"', b'"\xc3"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"',
      b'"\xfc\x80\x80\x80\x80\xaf"', b'"\\\xe9"', b'"\\u\xe9"']),
    ("a byte order mark alone, half, or within",
     "n_structure_(UTF8_BOM.*|incomplete_UTF8.*)",
     [b'\xef\xbb\xbf', b'\xef\xbb{}', b'\xef\xbb\xbf\xef\xbb\xbf{}', b'{}\xef\xbb\xbf']),
    # No JSON
    ("bytes that are no UTF-8 outside strings",
     "n_.*(utf.8|utf8|lone_continuation).*",
     [b'[\xff]', b'[1\xe9]', b'[0e\xff]', b'{"a":1,\xb9}', b'\xe9']),
    ("no value",
     "n_single_space|n_structure_no_data",
     [b'', b' ', b'\n\t\r ']),
    ("commas in excess",
     "n_array_(comma_and.*|double_.*|extra_comma|just_comma|missing_value|"
     "number_and.*|unclosed_trailing.*)|n_object_(.*trailing_comma.*|two_commas.*)|"
     "n_structure_.*_comma",
     [b'[1,]', b'[,1]', b'[,]', b'[1,,2]', b'{"a":1,}', b'{"a":1,,"b":2}', b'{,"a":1}', b'[1,']),
    ("another separator",
     "n_array_(colon.*|items.*|1_true.*|inner_array.*)|n_object_(comma.*|double_colon|"
     "missing_colon|missing_semi.*|no-colon)|n_structure_comma.*",
     [b'[1:2]', b'[1;2]', b'[1 2]', b'[1[2]]', b'{"a",1}', b'{"a"::1}', b'{"a" 1}', b'{"a"=1}',
      b'{"a":1"b":2}', b'["a",1}']),
    ("something behind the value",
     "n_array_(comma_after.*|extra_close|newlines.*)|n_object_(garbage.*|"
     "with_trailing.*|trailing_comment.*)|n_string_with_trailing.*|"
     "n_structure_(.*trailing.*|array_with_extra.*|close_unopened.*|double_array|"
     "number_with.*|object_followed.*|object_with_comment)|n_multi.*",
     [b'{}}', b'[]]', b'{} {}', b'"a" x', b'[1],', b'1 2', b'00', b'{}/* */', b'{} //', b'{} /',
      b'[]#', b'{}\x00', b'{"a":/**/1}']),
    ("an end that is missing",
     "n_array_(incomplete|unclosed.*|incomplete_invalid.*)|n_incomplete.*|"
     "n_object_(missing_value|unterminated.*|with_single.*|missing_key)|"
     "n_string_(single_doublequote|start_escape.*|escaped_backslash_bad)|"
     "n_structure_(.*unclosed.*|lone-open.*|open_.*|array_with_unclosed.*)",
     [b'[', b'{', b'[1', b'["a', b'{"a"', b'{"a":', b'"', b'"\\', b'tru', b'[nul', b'{"a":fals',
      b'[{}', b'{"a":[}', b'["x\n']),
    ("a number that is spelled otherwise",
     "n_number.*|n_array_just_minus",
     [b'+1', b'.5', b'-.5', b'1.', b'1.e2', b'01', b'-01', b'0x1f', b'1_000', b'1e', b'1e+',
      b'1eE2', b'1.2.3', b'- 1', b'--1', b'1+2', b'1a', b'-x', b'NaN', b'-NaN', b'Infinity',
      b'-Infinity', b'Inf', b'-', b'\xef\xbc\x91']),
    ("an escape that there is none of",
     "n_string_(1_surrogate.*|backslash_00|escape.*|incomplete.*|invalid_backslash.*|"
     "invalid_unicode.*|unicode_Cap.*)",
     [b'"\\x41"', b'"\\a"', b'"\\u12"', b'"\\u00g0"', b'"\\U0041"', b'"\\\x00"', b'"\\\t"',
      b'"\\ud83d\\u"', b'"\\ud83d\\u12x"', b'"\\\xf0\x9f\x98\x80"']),
    ("a control character in a string",
     "n_string_unescaped.*",
     [b'"a\x00b"', b'"a\nb"', b'"a\tb"', b'"\x1f"']),
    ("a word or string without double quotes",
     "n_string.*|n_object.*|n_structure_(ascii.*|unicode-id.*|capital.*|single.*|"
     "angle.*)|n_array_star.*",
     [b"'a'", b'a', b'{a:1}', b"{'a':1}", b'{1:1}', b'{null:null}', b'{[]:1}', b'[*]', b'True',
      b'NULL', b'<html>', b'<.>', b'\xc3\xa9', b'{\xf0\x9f\x98\x80:1}', b'{"a":b}',
      b'{"a":"b":"c"}', b'\\u0041', b'["a":"b"]']),
    ("blanks that are none",
     "n_array_spaces.*|n_structure_(U.2060.*|whitespace.*|uescaped.*|null-byte.*|"
     "single_star)",
     [b'[\x0c1]', b'[1]\x0b', b'[\xe2\x81\xa0]', b'\xe2\x81\xa0[]', b'\xc2\xa0[]', b'\\n[]',
      b'[\x00]']),
    ("ends that do not belong together",
     "n_structure.*",
     [b'[1}', b'{"a":1]', b']', b'}', b'[}', b'{]']),
]


def document():
    rows = [(row, "refused") for row in REFUSED] + [(row, "taken") for row in TAKEN]
    return {"about": "Texts by class. Made by generate_texts.py.",
            "classes": [{"class": name, "like": f"^({like})[.]json$", "verdict": verdict,
                         "texts": [text.hex() for text in texts]}
                        for (name, like, texts), verdict in rows]}


def main():
    text = json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
    if sys.argv[1:] == ["--check"]:
        if FILE.read_text(encoding="utf-8") == text:
            return
        sys.exit("tests/vectors/texts.json isn't what generate_texts.py makes")
    FILE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
