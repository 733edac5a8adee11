-- Tables, strings, coroutines and binary trees; the argument scales the work.
local scale = tonumber(arg[1] or "1")

local function tree(depth)
  if depth == 0 then return {} end
  return { tree(depth - 1), tree(depth - 1) }
end

local function nodes(t)
  if t[1] == nil then return 1 end
  return 1 + nodes(t[1]) + nodes(t[2])
end

local total = 0
for _ = 1, 20 * scale do
  total = total + nodes(tree(13))
end
print("nodes", total)

local parts, words = {}, {}
for i = 1, 60000 * scale do
  local word = ("%x"):format(i * 2654435761 % 4294967296)
  parts[#parts + 1] = word
  local key = word:sub(1, 2)
  words[key] = (words[key] or "") .. word:sub(-1)
end
local keys = {}
for key in pairs(words) do keys[#keys + 1] = key end
table.sort(keys)
print("keys", #keys, #words[keys[1]])
local text = table.concat(parts, " ")
print("text", #text, select(2, text:gsub("a%w", "")))

local producers, sum = {}, 0
for i = 1, 2000 do
  producers[i] = coroutine.create(function()
    for k = 1, 20 * scale do coroutine.yield(i * k) end
  end)
end
for _ = 1, 20 * scale do
  for i = 1, #producers do
    local _, value = coroutine.resume(producers[i])
    sum = sum + value
  end
end
print("sum", sum)

local matrix = {}
for i = 1, 200 do
  matrix[i] = {}
  for k = 1, 200 * scale do matrix[i][k] = i * k % 17 + 0.5 end
end
local trace = 0
for i = 1, 200 do trace = trace + matrix[i][i] end
print("trace", trace)
