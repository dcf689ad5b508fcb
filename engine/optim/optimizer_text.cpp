// Optimisers and weight decay as text.

#include "engine/error.h"
#include "engine/optim/optimizer.h"
#include "engine/optim/option_text.h"

namespace tapeline {

OptimizerMethod parse_optimizer(std::string_view text) {
  OptionText options("optimizer", text);
  // Just below 1: a share of 1 would never learn anything new.
  const auto share = [&](const char* key, float otherwise) {
    return static_cast<float>(options.number(key, otherwise, 0, 0.999999));
  };
  const auto epsilon = [&](float otherwise) {
    return static_cast<float>(options.number("epsilon", otherwise, 1e-16, 1));
  };
  const std::string& name = options.name();
  OptimizerMethod m;
  if (name == "sgd") {
    m.kind = OptimizerKind::sgd;
    m.momentum = share("momentum", 0);
    m.nesterov = options.flag("nesterov");
    options.finish({"momentum", "nesterov"});
    if (m.nesterov && m.momentum == 0)
      throw Error("optimizer sgd: nesterov needs a momentum, as in sgd:momentum=.9,nesterov");
  } else if (name == "adam" || name == "adamw") {
    m.kind = name == "adam" ? OptimizerKind::adam : OptimizerKind::adamw;
    m.beta1 = share("beta1", 0.9f);
    m.beta2 = share("beta2", 0.999f);
    m.epsilon = epsilon(1e-8f);
    options.finish({"beta1", "beta2", "epsilon"});
  } else if (name == "rmsprop") {
    m.kind = OptimizerKind::rmsprop;
    m.decay = share("decay", 0.99f);
    m.momentum = share("momentum", 0);
    m.epsilon = epsilon(1e-8f);
    options.finish({"decay", "momentum", "epsilon"});
  } else if (name == "adadelta") {
    m.kind = OptimizerKind::adadelta;
    m.decay = share("decay", 0.9f);
    m.epsilon = epsilon(1e-6f);
    options.finish({"decay", "epsilon"});
  } else {
    options.unknown_name({"sgd", "adam", "adamw", "rmsprop", "adadelta"});
  }
  return m;
}

std::vector<DecayRule> parse_decay_rules(std::string_view text) {
  std::vector<DecayRule> rules;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view rule = text.substr(0, comma);
    const std::size_t equals = rule.rfind('=');
    if (equals == rule.npos || equals == 0)
      throw Error("weight decay: '{}' is not a pattern and a number; write one such as *.weight=1e-4", rule);
    const double decay = parse_number("weight decay", rule.substr(equals + 1));
    if (decay < 0) throw Error("weight decay: {} in '{}' is negative", decay, rule);
    rules.push_back({std::string(rule.substr(0, equals)), static_cast<float>(decay)});
    text = comma == text.npos ? "" : text.substr(comma + 1);
  }
  return rules;
}

bool matches(std::string_view pattern, std::string_view name) {
  // Where a star has been tried with too few characters, it is given one more.
  std::size_t p = 0, n = 0, star = pattern.npos, resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p, ++n;
    } else if (star != pattern.npos) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace tapeline
