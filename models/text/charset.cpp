#include "models/text/charset.h"

#include "engine/error.h"
#include "models/text/utf8.h"

namespace tapeline {

Charset::Charset(std::string_view characters) : characters_(decode_utf8(characters, "charset")) {
  for (const char32_t character : characters_) {
    const int cls = static_cast<int>(class_of_.size()) + 1;
    if (!class_of_.emplace(character, cls).second)
      throw Error("charset: {} is given twice: name each character once", describe_character(character));
  }
}

std::string Charset::to_string() const { return encode_utf8(characters_); }

int Charset::find(char32_t character) const {
  const auto found = class_of_.find(character);
  return found == class_of_.end() ? kBlank : found->second;
}

char32_t Charset::character(int cls) const {
  if (cls < 1 || cls > size())
    throw Error("charset: class {} has no character: the {} characters are classes 1 to {}", cls, size(),
                size());
  return characters_[static_cast<std::size_t>(cls) - 1];
}

std::vector<int> Charset::encode(std::string_view text) const {
  std::vector<int> classes;
  for (const char32_t character : decode_utf8(text, "label")) {
    const int cls = find(character);
    if (cls == kBlank)
      throw Error("label \"{}\": {} is not among the charset's {} characters: give a charset that has it",
                  text, describe_character(character), size());
    classes.push_back(cls);
  }
  return classes;
}

std::string Charset::decode(std::span<const int> classes) const {
  std::string text;
  for (const int cls : classes) text += encode_utf8(character(cls));
  return text;
}

}  // namespace tapeline
