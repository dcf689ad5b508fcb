#include "apps/reading_format.h"

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "models/text/expression.h"

namespace tapeline {

namespace {

/// A number, or null.
nlohmann::ordered_json value_of(const std::string& text) {
  try {
    return evaluate_expression(text);
  } catch (const Error&) {
    return nullptr;
  }
}

std::string tsv_field(std::string_view text) {
  std::string field;
  for (const char c : text) {
    if (c == '\t')
      field += "\\t";
    else if (c == '\n')
      field += "\\n";
    else if (c == '\r')
      field += "\\r";
    else if (c == '\\')
      field += "\\\\";
    else if (static_cast<unsigned char>(c) < ' ' || c == '\x7f')
      field += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      field += c;
  }
  return field;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string field = "\"";
  for (const char c : text) field += c == '"' ? std::string("\"\"") : std::string(1, c);
  return field + "\"";
}

nlohmann::ordered_json to_json(const std::string& path, const Reading& reading) {
  nlohmann::ordered_json json{{"path", path},
                              {"text", reading.text},
                              {"confidence", reading.confidence},
                              {"characters", nlohmann::ordered_json::array()}};
  for (const ReadCharacter& c : reading.characters)
    json["characters"].push_back(
        {{"text", c.text}, {"confidence", c.confidence}, {"begin", c.begin}, {"end", c.end}});
  return json;
}

}  // namespace

ReadingFormat::ReadingFormat(std::string_view kind, bool values)
    : kind_(kind == "json"  ? Kind::json
            : kind == "csv" ? Kind::csv
                            : Kind::tsv),
      values_(values) {}

std::string ReadingFormat::begin() const {
  if (kind_ == Kind::csv) return values_ ? "path,text,confidence,value\n" : "path,text,confidence\n";
  return kind_ == Kind::json ? "[" : "";
}

std::string ReadingFormat::line(const std::string& path, const Reading& reading) {
  if (kind_ == Kind::json) {
    nlohmann::ordered_json json = to_json(path, reading);
    if (values_) json["value"] = value_of(reading.text);
    const char* before = std::exchange(first_, false) ? "\n" : ",\n";
    // A path need not be UTF-8.
    return before + json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  }
  const bool csv = kind_ == Kind::csv;
  const char* separator = csv ? "," : "\t";
  std::string line = csv ? csv_field(path) : tsv_field(path);
  line += separator + (csv ? csv_field(reading.text) : tsv_field(reading.text));
  line += fmt::format("{}{:.4f}", separator, reading.confidence);
  if (values_) {
    const nlohmann::ordered_json value = value_of(reading.text);
    line += separator + (value.is_null() ? "" : value.dump());
  }
  return line + "\n";
}

std::string ReadingFormat::end() const { return kind_ == Kind::json ? "\n]\n" : ""; }

}  // namespace tapeline
