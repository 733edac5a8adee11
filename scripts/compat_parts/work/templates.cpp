// A C++ file that makes a compiler work: many templates, none of which does anything of use. DEPTH says how many.
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

template <int N> struct Node {
    using Next = Node<N - 1>;
    std::map<int, std::vector<std::string>> map;
    std::unordered_map<std::string, std::tuple<int, double, std::string>> table;
    Next next;

    int visit(int value) {
        map[value + N].push_back(std::to_string(value * N));
        table[std::to_string(value)] = {N, value * 0.5, "text"};
        std::variant<int, std::string, std::vector<int>> choice = value;
        if (value % 2 != 0) {
            choice = "odd";
        }
        auto add = [this, value](int other) { return other + N + value + static_cast<int>(map.size()); };
        std::function<int(int)> function = add;
        std::vector<int> numbers(static_cast<std::size_t>(N + 1));
        std::iota(numbers.begin(), numbers.end(), value);
        std::sort(numbers.begin(), numbers.end(), [](int a, int b) { return a % (N + 1) < b % (N + 1); });
        return function(next.visit(value + 1)) + std::accumulate(numbers.begin(), numbers.end(), 0) +
               static_cast<int>(choice.index());
    }
};

template <> struct Node<0> {
    int visit(int value) {
        return value;
    }
};

std::string find(const std::string &text) {
    static const std::regex pattern("([a-z]+)-([0-9]+)(?:\\.(\\w*))?");
    std::smatch match;
    std::ostringstream out;
    if (std::regex_search(text, match, pattern)) {
        out << match[1] << ' ' << match[2];
    }
    return out.str();
}

int use(int value) {
    auto node = std::make_unique<Node<DEPTH>>();
    return node->visit(value) + static_cast<int>(find("abc-123.d").size());
}
