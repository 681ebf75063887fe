-- Templates are searched by the words of their name and of their active version, which the program takes out of
-- them: both engines then find the same. Only the index differs.

ALTER TABLE templates ADD COLUMN words TEXT NOT NULL DEFAULT '';

-- Serves: which templates have these words?
/*postgres CREATE INDEX templates_by_words ON templates USING GIN (to_tsvector('simple', words));*/
/*sqlite CREATE VIRTUAL TABLE template_search USING fts5 (template_id UNINDEXED, words, tokenize = 'unicode61 remove_diacritics 0');
INSERT INTO template_search (template_id, words) SELECT id, words FROM templates;
CREATE TRIGGER template_search_new AFTER INSERT ON templates BEGIN
    INSERT INTO template_search (template_id, words) VALUES (new.id, new.words);
END;
CREATE TRIGGER template_search_changed AFTER UPDATE OF words ON templates BEGIN
    UPDATE template_search SET words = new.words WHERE template_id = new.id;
END;*/
