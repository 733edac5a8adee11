-- Rows from a fixed sequence of numbers; indexes, joins, grouping, full text, changes, and what becomes of the file.
create table item(id integer primary key, name text, grp integer, price real, body blob);
with recursive n(i) as (select 1 union all select i + 1 from n where i < @ROWS@)
insert into item select i, printf('item %08x', i * 2654435761 % 4294967296), i * 7919 % 1009, i % 977 / 7.0,
    zeroblob(i * 31 % 200) from n;
create index item_by_name on item(name);
create index item_by_group on item(grp, price);
select count(*), min(name), max(name), round(sum(price), 3) from item;
select grp, count(*), round(avg(price), 3) from item group by grp order by 2 desc, 1 limit 5;
select count(*) from item a join item b on a.grp = b.grp and b.id = a.id + 1009 where a.price > 100;
create virtual table words using fts5(text);
insert into words select name || ' ' || grp || ' ' || cast(price as text) from item where id % 4 = 0;
select count(*) from words where words match '17*';
update item set price = price * 2 where grp % 3 = 0;
delete from item where id % 10 = 0;
select count(*), round(sum(price), 3) from item;
select group_concat(name, ',') from (select name from item order by price desc, id limit 20);
vacuum;
analyze;
select count(*) from sqlite_stat1;
