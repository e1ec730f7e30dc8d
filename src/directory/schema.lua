-- Older releases refuse what was written in the shape of this one. The site says so as well, so that they learn of it before they meet a record (witness.lua).
local function raiseSchema(p, key, version)
  local mine = tonumber(version)
  for _, mark in ipairs({ { key, 'v' }, { p .. 'site', 'schema' } }) do
    if tonumber(redis.call('HGET', mark[1], mark[2]) or '0') < mine then redis.call('HSET', mark[1], mark[2], mine) end
  end
end
