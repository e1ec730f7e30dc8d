-- Puts up to a page of rows into the survey index, and with them what the survey has reached, so that a page is never half there.
-- KEYS[1] prefix. ARGV[1] JSON: kind ('customers'|'subscriptions'), pass (absent: the current one and the one being built), readAtMs,
-- rows (list of {id, key: digest of the folded e-mail or the customer id, reference, text}), and optionally state (list of field, value), page (its number)
-- and from (what the fields phase, page and again were when the page was asked for).
-- A row that was read before the one that is there stays out. Answers 1, or 0 when the pass is no longer built, or somebody else has read on meanwhile:
-- a page that comes late must not set back, or forward, what has been reached.
local p = KEYS[1]
local q = cjson.decode(ARGV[1])
local passes = {}
local known = redis.call('HMGET', p .. 'index', 'current', 'building')
if q.pass then
  if known[2] ~= q.pass then return 0 end
  local at = redis.call('HMGET', p .. 'surveyState', 'phase', 'page', 'again')
  for i, was in ipairs(q.from or {}) do
    if (at[i] or '') ~= was then return 0 end
  end
  passes = { q.pass }
else
  if known[1] then passes[#passes + 1] = known[1] end
  if known[2] then passes[#passes + 1] = known[2] end
end

for _, pass in ipairs(passes) do
  local base = p .. 'index:' .. pass .. ':'
  for _, row in ipairs(q.rows) do
    local had = redis.call('HGET', base .. q.kind, row.id)
    local old = had and cjson.decode(had)
    if not old or old.at <= q.readAtMs then
      local lists = q.kind == 'customers' and base .. 'emails' or base .. 'owners'
      if old and old.key ~= row.key then redis.call('ZREM', lists, old.key .. ':' .. row.id) end
      redis.call('ZADD', lists, 0, row.key .. ':' .. row.id)
      if q.kind == 'customers' then
        if old and type(old.ref) == 'string' and old.ref ~= row.reference and redis.call('HGET', base .. 'references', old.ref) == row.id then
          redis.call('HDEL', base .. 'references', old.ref)
        end
        if row.reference then redis.call('HSET', base .. 'references', row.reference, row.id) end
      end
      redis.call('HSET', base .. q.kind, row.id, row.text)
    end
  end
end
if q.page then redis.call('HSET', p .. 'surveyPages', q.page, q.readAtMs) end
if q.state then redis.call('HSET', p .. 'surveyState', unpack(q.state)) end
return 1
